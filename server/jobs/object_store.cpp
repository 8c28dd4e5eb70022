#include "server/jobs/object_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/jobs/failpoint.h"
#include "server/registries/digest.h"

namespace dvren::server {
namespace {

namespace fs = std::filesystem;

constexpr char kScratch[] = "scratch";
constexpr char kLock[] = "lock";
constexpr std::size_t kBlock = std::size_t{1} << 20;

struct Hashed {
  StoredObject object;
  FileHandle file;
};

absl::StatusOr<Hashed> Hash(const std::string& path) {
  Hashed hashed;
  DVREN_ASSIGN_OR_RETURN(hashed.file, FileHandle::OpenForReading(path));
  std::error_code error;
  hashed.object.bytes = fs::file_size(path, error);
  if (error) return ErrnoStatus(error.value(), "read", path);
  Sha256 hash;
  std::string block;
  for (std::uint64_t at = 0; at < hashed.object.bytes; at += block.size()) {
    block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, hashed.object.bytes - at)));
    DVREN_RETURN_IF_ERROR(hashed.file.ReadAt(block.data(), block.size(), at, path));
    hash.Update(block.data(), block.size());
  }
  hashed.object.sha256 = absl::BytesToHexString(hash.Finish());
  return hashed;
}

// Held until it goes: LOCK_SH by who stores, LOCK_EX by who removes. Between threads as between daemons.
absl::StatusOr<FileHandle> LockFolder(const std::string& folder, int how) {
  const std::string path = absl::StrCat(folder, "/", kLock);
  FileHandle file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.fd() < 0) return ErrnoStatus(errno, "open", path);
  while (flock(file.fd(), how) != 0) {
    if (errno != EINTR) return ErrnoStatus(errno, "lock", path);
  }
  return file;
}

bool IsOlder(const fs::path& path, fs::file_time_type than) {
  std::error_code error;
  const fs::file_time_type time = fs::last_write_time(path, error);
  return !error && time <= than;
}

bool IsHash(const std::string& text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

absl::StatusOr<ObjectStore> ObjectStore::Open(const std::string& folder, FileFaults faults, const std::string& writer) {
  std::string scratch = absl::StrCat(folder, "/", kScratch, writer.empty() ? "" : "/", writer);
  DVREN_RETURN_IF_ERROR(MakeDirectories(scratch));
  RemoveContents(scratch);
  return ObjectStore(folder, std::move(scratch), std::move(faults));
}

std::string ObjectStore::ScratchPath(absl::string_view extension) const {
  return absl::StrCat(scratch_, "/", RandomId(), extension);
}

std::string ObjectStore::PathOf(const std::string& sha256) const {
  return absl::StrCat(folder_, "/", sha256.substr(0, 2), "/", sha256.substr(2));
}

absl::StatusOr<StoredObject> ObjectStore::Adopt(const std::string& scratch_path) const {
  const absl::StatusOr<StoredObject> adopted = [&]() -> absl::StatusOr<StoredObject> {
    DVREN_ASSIGN_OR_RETURN(Hashed hashed, Hash(scratch_path));
    if (faults_ && faults_("sync", scratch_path) != 0) {
      return ErrnoStatus(faults_("sync", scratch_path), "sync", scratch_path);
    }
    if (fsync(hashed.file.fd()) != 0) return ErrnoStatus(errno, "sync", scratch_path);
    const std::string path = PathOf(hashed.object.sha256);
    const std::string parent = fs::path(path).parent_path().string();
    DVREN_RETURN_IF_ERROR(MakeDirectories(parent));
    DVREN_ASSIGN_OR_RETURN(const FileHandle lock, LockFolder(folder_, LOCK_SH));
    Failpoint("mid_artifact");
    DVREN_RETURN_IF_ERROR(RenamePath(scratch_path, path, faults_));
    DVREN_RETURN_IF_ERROR(SyncDirectory(parent, faults_));
    DVREN_RETURN_IF_ERROR(SyncDirectory(folder_, faults_));
    return hashed.object;
  }();
  if (!adopted.ok()) unlink(scratch_path.c_str());
  return adopted;
}

absl::StatusOr<StoredObject> ObjectStore::Put(absl::string_view bytes) const {
  const std::string path = ScratchPath(".tmp");
  if (const absl::Status written = WriteFileDurably(path, bytes, faults_); !written.ok()) {
    unlink(path.c_str());
    return written;
  }
  return Adopt(path);
}

absl::StatusOr<std::optional<StoredObject>> ObjectStore::Touch(const std::string& sha256) const {
  if (!IsHash(sha256)) return absl::InvalidArgumentError("object: its name is no SHA-256");
  DVREN_ASSIGN_OR_RETURN(const FileHandle lock, LockFolder(folder_, LOCK_SH));
  const std::string path = PathOf(sha256);
  if (utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) {
    if (errno == ENOENT) return std::optional<StoredObject>();
    return ErrnoStatus(errno, "touch", path);
  }
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(path, error);
  if (error) return ErrnoStatus(error.value(), "read", path);
  return std::optional<StoredObject>({sha256, bytes});
}

absl::StatusOr<FileHandle> ObjectStore::Read(const std::string& sha256) const {
  if (!IsHash(sha256)) return absl::NotFoundError("object: its name is no SHA-256");
  return FileHandle::OpenForReading(PathOf(sha256));
}

absl::Status ObjectStore::Verify(const std::string& sha256) const {
  if (!IsHash(sha256)) return absl::NotFoundError("object: its name is no SHA-256");
  DVREN_ASSIGN_OR_RETURN(const Hashed hashed, Hash(PathOf(sha256)));
  if (hashed.object.sha256 == sha256) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(PathOf(sha256), ": its content has the SHA-256 ", hashed.object.sha256));
}

int ObjectStore::RemoveUnreferenced(const std::set<std::string>& keep, std::int64_t age_s) const {
  int removed = 0;
  std::error_code error;
  // By the clock of whoever keeps the files, which stamps them as well.
  const std::string stamp = ScratchPath(".stamp");
  if (!WriteFileDurably(stamp, "", faults_).ok()) return 0;
  const auto before = fs::last_write_time(stamp, error) - std::chrono::seconds(age_s);
  unlink(stamp.c_str());
  if (error) return 0;
  for (const auto& folder : fs::directory_iterator(folder_, error)) {
    const std::string head = folder.path().filename().string();
    if (head.size() != 2 || !folder.is_directory(error)) continue;
    for (const auto& entry : fs::directory_iterator(folder.path(), error)) {
      const std::string sha256 = head + entry.path().filename().string();
      if (!IsHash(sha256) || keep.count(sha256) > 0 || !IsOlder(entry.path(), before)) continue;
      const absl::StatusOr<FileHandle> lock = LockFolder(folder_, LOCK_EX);
      // Stored again in between?
      if (!lock.ok() || !IsOlder(entry.path(), before)) continue;
      if (fs::remove(entry.path(), error)) ++removed;
    }
  }
  for (const auto& entry : fs::recursive_directory_iterator(absl::StrCat(folder_, "/", kScratch), error)) {
    if (entry.is_regular_file(error) && IsOlder(entry.path(), before)) fs::remove(entry.path(), error);
  }
  return removed;
}

}  // namespace dvren::server
