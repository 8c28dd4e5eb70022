#include "server/app/data_dir_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace dvren::server {
namespace {

absl::Status Unwritable(const std::string& data_dir, int error) {
  const std::string message = absl::StrCat("data_dir = ", data_dir, ": cannot be written (", std::strerror(error),
                                           "); give --data-dir a folder of yours");
  return error == EACCES || error == EPERM || error == EROFS ? absl::PermissionDeniedError(message)
                                                             : absl::UnavailableError(message);
}

std::string HolderPid(int fd) {
  char text[32];
  const ssize_t size = pread(fd, text, sizeof(text), 0);
  if (size <= 0) return "unknown";
  return std::string(absl::StripSuffix(absl::string_view(text, static_cast<std::size_t>(size)), "\n"));
}

}  // namespace

absl::StatusOr<DataDirLock> DataDirLock::Acquire(const std::string& data_dir) {
  std::error_code error;
  if (std::filesystem::create_directories(data_dir, error)) {
    // What users upload is theirs; a directory that was there keeps the mode its owner chose.
    std::filesystem::permissions(data_dir, std::filesystem::perms::owner_all, error);
  }
  if (error) return Unwritable(data_dir, error.value());
  const std::string path = data_dir + "/dvrend.lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Unwritable(data_dir, errno);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    const std::string holder = HolderPid(fd);
    close(fd);
    if (why != EWOULDBLOCK) return Unwritable(data_dir, why);
    return absl::UnavailableError(absl::StrCat("data_dir = ", data_dir, ": another dvrend (pid ", holder,
                                               ") uses it; stop that one or give --data-dir another folder"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    const int why = errno;
    close(fd);
    return Unwritable(data_dir, why);
  }
  return DataDirLock(fd);
}

DataDirLock::~DataDirLock() {
  // The file stays: removing it would let a third process lock a new one beside a second that holds the old.
  if (fd_ >= 0) close(fd_);
}

}  // namespace dvren::server
