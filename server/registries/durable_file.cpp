#include "server/registries/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace dvren::server {
namespace {

absl::Status CheckFault(const FileFaults& faults, absl::string_view step, const std::string& path) {
  if (!faults) return absl::OkStatus();
  const int error = faults(step, path);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, step, path);
}

}  // namespace

absl::Status ErrnoStatus(int error, absl::string_view step, const std::string& path) {
  const std::string message = absl::StrCat("store: ", step, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(absl::StrCat(message, "; free space below the data directory and retry"));
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::InternalError(message);
  }
}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileHandle::~FileHandle() {
  if (fd_ >= 0) ::close(fd_);
}

absl::StatusOr<FileHandle> FileHandle::OpenForReading(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  return FileHandle(fd);
}

absl::Status FileHandle::ReadAt(void* destination, std::size_t size, std::uint64_t offset,
                                const std::string& path) const {
  auto* out = static_cast<char*>(destination);
  while (size > 0) {
    const ssize_t got = ::pread(fd_, out, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", path);
    if (got == 0)
      return absl::DataLossError(absl::StrCat("store: read ", path, ": the file ends ", size, " bytes early"));
    out += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<DurableFile> DurableFile::Open(const std::string& path, bool append, const FileFaults& faults) {
  DVREN_RETURN_IF_ERROR(CheckFault(faults, "create", path));
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_EXCL);
  const int fd = ::open(path.c_str(), flags, 0600);
  if (fd < 0) return ErrnoStatus(errno, "create", path);
  return DurableFile(FileHandle(fd), path, faults);
}

absl::Status DurableFile::Append(const void* data, std::size_t size) {
  DVREN_RETURN_IF_ERROR(CheckFault(faults_, "write", path_));
  const auto* in = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t put = ::write(file_.fd(), in, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(errno, "write", path_);
    in += put;
    size -= static_cast<std::size_t>(put);
  }
  return absl::OkStatus();
}

absl::Status DurableFile::Truncate(std::uint64_t size) {
  if (::ftruncate(file_.fd(), static_cast<off_t>(size)) != 0) return ErrnoStatus(errno, "truncate", path_);
  return absl::OkStatus();
}

absl::Status DurableFile::Sync() {
  DVREN_RETURN_IF_ERROR(CheckFault(faults_, "sync", path_));
  if (::fsync(file_.fd()) != 0) return ErrnoStatus(errno, "sync", path_);
  return absl::OkStatus();
}

absl::Status WriteFileDurably(const std::string& path, absl::string_view text, const FileFaults& faults) {
  DVREN_ASSIGN_OR_RETURN(DurableFile file, DurableFile::Open(path, /*append=*/false, faults));
  DVREN_RETURN_IF_ERROR(file.Append(text.data(), text.size()));
  return file.Sync();
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(const FileHandle file, FileHandle::OpenForReading(path));
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0) return ErrnoStatus(errno, "stat", path);
  if (!S_ISREG(info.st_mode)) return absl::DataLossError(absl::StrCat("store: ", path, ": not a regular file"));
  if (static_cast<std::uint64_t>(info.st_size) > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("store: ", path, ": ", info.st_size, " bytes, at most ", max_bytes));
  }
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  DVREN_RETURN_IF_ERROR(file.ReadAt(text.data(), text.size(), 0, path));
  return text;
}

absl::Status SyncDirectory(const std::string& path, const FileFaults& faults) {
  DVREN_RETURN_IF_ERROR(CheckFault(faults, "sync_dir", path));
  const FileHandle folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.fd() < 0) return ErrnoStatus(errno, "open", path);
  if (::fsync(folder.fd()) != 0) return ErrnoStatus(errno, "sync_dir", path);
  return absl::OkStatus();
}

absl::Status RenamePath(const std::string& from, const std::string& to, const FileFaults& faults) {
  DVREN_RETURN_IF_ERROR(CheckFault(faults, "rename", to));
  if (::rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, "rename", to);
  return absl::OkStatus();
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return ErrnoStatus(error.value(), "create", path);
  return absl::OkStatus();
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

void RemoveContents(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) RemoveTree(entry.path().string());
}

}  // namespace dvren::server
