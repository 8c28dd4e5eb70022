// ObjectStore: files by their content, below a folder: two/rest-of-the-SHA-256. What is in it never changes; the same
// content is there once. Many daemons may share the folder: each writes in a scratch folder of its own, and a lock on
// the file `lock` keeps a removal from hitting what another has just stored. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
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
  // Makes the folder, and removes what was cut off while it was written: by `writer`, where daemons share the folder,
  // which is the same at each of its starts and no other's; "": nobody else writes there.
  [[nodiscard]] static absl::StatusOr<ObjectStore> Open(const std::string& folder, FileFaults faults = nullptr,
                                                        const std::string& writer = "");

  // Where a file can be written that Adopt then takes: a new path on the same disk each time.
  [[nodiscard]] std::string ScratchPath(absl::string_view extension) const;
  // Takes over a whole file from its scratch path: it is on disk under its hash when this returns. After an error the
  // file is gone. RESOURCE_EXHAUSTED for a full disk.
  [[nodiscard]] absl::StatusOr<StoredObject> Adopt(const std::string& scratch_path) const;
  [[nodiscard]] absl::StatusOr<StoredObject> Put(absl::string_view bytes) const;

  // The object, where it is there already; it then counts as stored now. None otherwise.
  [[nodiscard]] absl::StatusOr<std::optional<StoredObject>> Touch(const std::string& sha256) const;

  // NOT_FOUND where there is none.
  [[nodiscard]] absl::StatusOr<FileHandle> Read(const std::string& sha256) const;
  // DATA_LOSS when the file is not what its name says.
  [[nodiscard]] absl::Status Verify(const std::string& sha256) const;
  // All but `keep` that were stored more than `age_s` seconds ago, and what other writers left half-made so long ago.
  // Gives how many objects were removed.
  int RemoveUnreferenced(const std::set<std::string>& keep, std::int64_t age_s) const;

 private:
  ObjectStore(std::string folder, std::string scratch, FileFaults faults)
      : folder_(std::move(folder)), scratch_(std::move(scratch)), faults_(std::move(faults)) {}
  [[nodiscard]] std::string PathOf(const std::string& sha256) const;
  std::string folder_, scratch_;
  FileFaults faults_;
};

}  // namespace dvren::server
