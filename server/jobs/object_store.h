// ObjectStore: files by their content, below a folder: two/rest-of-the-SHA-256. What is in it never changes; the same
// content is there once. Thread-safe.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "dvren/core/status.h"
#include "server/registries/durable_file.h"

namespace dvren::server {

struct StoredObject {
  std::string sha256;  // 64 lowercase hex digits
  std::uint64_t bytes = 0;
};

class ObjectStore {
 public:
  // Makes the folder, and removes what was cut off while it was written.
  [[nodiscard]] static absl::StatusOr<ObjectStore> Open(const std::string& folder, FileFaults faults = nullptr);

  // Where a file can be written that Adopt then takes: a new path on the same disk each time.
  [[nodiscard]] std::string ScratchPath(absl::string_view extension) const;
  // Takes over a whole file from its scratch path: it is on disk under its hash when this returns. After an error the
  // file is gone. RESOURCE_EXHAUSTED for a full disk.
  [[nodiscard]] absl::StatusOr<StoredObject> Adopt(const std::string& scratch_path) const;
  [[nodiscard]] absl::StatusOr<StoredObject> Put(absl::string_view bytes) const;

  // NOT_FOUND where there is none.
  [[nodiscard]] absl::StatusOr<FileHandle> Read(const std::string& sha256) const;
  // DATA_LOSS when the file is not what its name says.
  [[nodiscard]] absl::Status Verify(const std::string& sha256) const;
  // All but `keep` that were stored more than `age_s` seconds ago. Gives how many were removed.
  int RemoveUnreferenced(const std::set<std::string>& keep, std::int64_t age_s) const;

 private:
  ObjectStore(std::string folder, FileFaults faults) : folder_(std::move(folder)), faults_(std::move(faults)) {}
  [[nodiscard]] std::string PathOf(const std::string& sha256) const;
  std::string folder_;
  FileFaults faults_;
};

}  // namespace dvren::server
