#include "server/jobs/object_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

bool IsHash(const std::string& text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

absl::StatusOr<ObjectStore> ObjectStore::Open(const std::string& folder, FileFaults faults) {
  DVREN_RETURN_IF_ERROR(MakeDirectories(folder + "/" + kScratch));
  RemoveContents(folder + "/" + kScratch);
  return ObjectStore(folder, std::move(faults));
}

std::string ObjectStore::ScratchPath(absl::string_view extension) const {
  return absl::StrCat(folder_, "/", kScratch, "/", RandomId(), extension);
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
  const auto before = fs::file_time_type::clock::now() - std::chrono::seconds(age_s);
  for (const auto& folder : fs::directory_iterator(folder_, error)) {
    const std::string head = folder.path().filename().string();
    if (head.size() != 2 || !folder.is_directory(error)) continue;
    for (const auto& entry : fs::directory_iterator(folder.path(), error)) {
      const std::string sha256 = head + entry.path().filename().string();
      if (!IsHash(sha256) || keep.count(sha256) > 0 || entry.last_write_time(error) > before) continue;
      if (fs::remove(entry.path(), error)) ++removed;
    }
  }
  return removed;
}

}  // namespace dvren::server
