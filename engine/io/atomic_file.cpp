#include "dvren/io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#ifdef _WIN32
#include <io.h>
#include <process.h>
#include <windows.h>
#else
#include <unistd.h>
#endif

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace dvren::io {
namespace {

int Result(int r) {
  return r < 0 ? -errno : r;
}

long ProcessId() {
#ifdef _WIN32
  return _getpid();
#else
  return getpid();
#endif
}

}  // namespace

#ifdef _WIN32
int FileOps::CreateExclusive(const std::string& path) {
  return Result(_open(path.c_str(), _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE));
}
std::int64_t FileOps::Write(int file, const void* data, std::size_t bytes) {
  return Result(_write(file, data, static_cast<unsigned>(bytes < (1u << 30) ? bytes : 1u << 30)));
}
int FileOps::Sync(int file) {
  return Result(_commit(file));
}
int FileOps::Close(int file) {
  return Result(_close(file));
}
int FileOps::Rename(const std::string& from, const std::string& to) {
  return MoveFileExA(from.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) ? 0 : -EACCES;
}
int FileOps::Remove(const std::string& path) {
  return Result(_unlink(path.c_str()));
}
int FileOps::SyncFolder(const std::string&) {
  return 0;
}  // MOVEFILE_WRITE_THROUGH did it
#else
int FileOps::CreateExclusive(const std::string& path) {
  return Result(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
}
std::int64_t FileOps::Write(int file, const void* data, std::size_t bytes) {
  const ssize_t written = write(file, data, bytes);
  return written < 0 ? -errno : written;
}
int FileOps::Sync(int file) {
  return Result(fsync(file));
}
int FileOps::Close(int file) {
  return Result(close(file));
}
int FileOps::Rename(const std::string& from, const std::string& to) {
  return Result(std::rename(from.c_str(), to.c_str()));
}
int FileOps::Remove(const std::string& path) {
  return Result(unlink(path.c_str()));
}
int FileOps::SyncFolder(const std::string& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return -errno;
  const int result = Result(fsync(file));
  close(file);
  return result == -EINVAL ? 0 : result;  // some file systems cannot sync a folder
}
#endif

FileOps& FileOps::Real() {
  static FileOps ops;
  return ops;
}

absl::Status FileError(absl::string_view path, absl::string_view doing, int error_number) {
  const int error = error_number < 0 ? -error_number : error_number;
  absl::StatusCode code = absl::ErrnoToStatusCode(error);
  if (error == EFBIG) code = absl::StatusCode::kResourceExhausted;  // a file-size limit, not a bad range
  if (error == EIO) code = absl::StatusCode::kDataLoss;
  return absl::Status(code, absl::StrCat(path, ": cannot ", doing, ": ", std::generic_category().message(error)));
}

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path, FileOps& ops) {
  if (path.empty()) return InvalidField("path", "\"\"", "must name a file");
  namespace fs = std::filesystem;
  std::error_code error;
  std::string target = path;
  if (fs::is_symlink(path, error)) {
    const fs::path resolved = fs::canonical(path, error);
    if (error) return FileError(path, "follow the link", error.value());
    target = resolved.string();
  }
  // A rename would replace a device or fail on a folder, late.
  const fs::file_status status = fs::status(target, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": cannot write: not a regular file"));
  }
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 100; ++attempt) {  // a crashed process of the same id may have left a name behind
    std::string temporary = absl::StrCat(target, ".tmp-", ProcessId(), "-", counter.fetch_add(1));
    const int file = ops.CreateExclusive(temporary);
    if (file >= 0) return AtomicFile(std::move(target), std::move(temporary), file, ops);
    if (file != -EEXIST) return FileError(path, "write", file);
  }
  return FileError(path, "write", EEXIST);
}

AtomicFile::AtomicFile(std::string path, std::string temporary, int file, FileOps& ops)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(file), ops_(&ops) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, std::string())),
      file_(std::exchange(other.file_, -1)),
      ops_(other.ops_) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this != &other) {
    Discard();
    path_ = std::move(other.path_);
    temporary_ = std::exchange(other.temporary_, std::string());
    file_ = std::exchange(other.file_, -1);
    ops_ = other.ops_;
  }
  return *this;
}

AtomicFile::~AtomicFile() {
  Discard();
}

void AtomicFile::Discard() {
  if (file_ >= 0) ops_->Close(std::exchange(file_, -1));
  if (!temporary_.empty()) ops_->Remove(std::exchange(temporary_, std::string()));
}

absl::Status AtomicFile::Write(const void* data, std::size_t bytes) {
  if (file_ < 0) return absl::FailedPreconditionError(absl::StrCat(path_, ": written to after it was closed"));
  const auto* from = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const std::int64_t written = ops_->Write(file_, from, bytes);
    if (written == -EINTR) continue;
    if (written <= 0) {
      Discard();
      return FileError(path_, "write", written == 0 ? ENOSPC : static_cast<int>(written));
    }
    from += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() {
  if (file_ < 0) return absl::FailedPreconditionError(absl::StrCat(path_, ": committed after it was closed"));
  int result = ops_->Sync(file_);
  const int closed = ops_->Close(std::exchange(file_, -1));  // close reports what some network file systems delayed
  if (result >= 0) result = closed;
  if (result >= 0) result = ops_->Rename(temporary_, path_);
  if (result < 0) {
    Discard();
    return FileError(path_, "write", result);
  }
  temporary_.clear();
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  result = ops_->SyncFolder(folder.empty() ? "." : folder);
  if (result < 0) return FileError(path_, "sync the folder", result);
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, std::span<const std::byte> data, FileOps& ops) {
  DVREN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path, ops));
  DVREN_RETURN_IF_ERROR(file.Write(data));
  return file.Commit();
}

}  // namespace dvren::io
