// CheckpointStore: where checkpoints of training sessions lie: data_dir/checkpoints, a folder for each tenant, a file
// for each name. It knows names and paths; the files are the trainer's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::server {

class CheckpointStore {
 public:
  // Makes the folder, and removes what saves that were cut off have left.
  [[nodiscard]] static absl::StatusOr<CheckpointStore> Open(const std::string& data_dir);

  // The same in a folder that other daemons write in as well: what they are about to save is left alone.
  [[nodiscard]] static absl::StatusOr<CheckpointStore> OpenShared(const std::string& folder);

  // Where "name" (or "checkpoints/name") of this tenant is written; its folder is there. INVALID_ARGUMENT for a name of
  // anything but letters, digits, '.', '_', '-', for one that begins with '.', and beyond 128 characters.
  [[nodiscard]] absl::StatusOr<std::string> PathToWrite(const std::string& tenant, const std::string& name) const;
  // Names of a tenant's checkpoints, "checkpoints/name", in order.
  [[nodiscard]] std::vector<std::string> List(const std::string& tenant) const;
  // NOT_FOUND where there is none.
  [[nodiscard]] absl::Status Delete(const std::string& tenant, const std::string& name) const;
  // NOT_FOUND where there is none.
  [[nodiscard]] absl::StatusOr<std::string> PathToRead(const std::string& tenant, const std::string& name) const;

  // Removes files, of all tenants, that were written more than `age_s` seconds ago and that nobody `wants`, by their
  // bare names, and what saves that were cut off have left. Gives how many.
  int RemoveUnwanted(const std::function<bool(const std::string& name)>& wants, std::int64_t age_s) const;

 private:
  explicit CheckpointStore(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

// "checkpoints/name".
[[nodiscard]] std::string CheckpointName(const std::string& name);

}  // namespace dvren::server
