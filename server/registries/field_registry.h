// FieldRegistry: the fields that this daemon keeps, by name and owner: on disk (FieldStore) and, on demand, on devices.
// Thread-safe. A field becomes visible only when it is wholly on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dvren/fields/field.h"
#include "dvren/io/volume.h"
#include "dvren/v1/field_service.pb.h"

namespace dvren::server {

class FieldStore;

// A field as others may use it: its description and, loaded on first use, its place on a device.
struct FieldLease {
  v1::Field description;
  std::shared_ptr<const Field> field;
};

class FieldRegistry {
 public:
  explicit FieldRegistry(std::unique_ptr<FieldStore> store);
  ~FieldRegistry();

  // Reads what the store holds; called once at start.
  [[nodiscard]] absl::Status Load();
  // Writes payload and description durably, then makes the field visible. ALREADY_EXISTS for a taken display name.
  // `description` carries display_name, owner and source; name, version, sha256 and the rest are filled in here.
  [[nodiscard]] absl::StatusOr<v1::Field> Add(v1::Field description, const io::Volume& volume);
  // By "fields/{id}" or display name. Another tenant's field is NOT_FOUND.
  [[nodiscard]] absl::StatusOr<v1::Field> Get(const std::string& tenant, const std::string& name) const;
  [[nodiscard]] std::vector<v1::Field> List(const std::string& tenant) const;
  // Loads the field to the stream's device unless it is there. ABORTED when expected_version (0 = any) is not current.
  [[nodiscard]] absl::StatusOr<FieldLease> Acquire(Stream& stream, const std::string& tenant, const std::string& name,
                                                   std::uint64_t expected_version);
  // File path of the payload, for downloads. The file outlives a concurrent Delete while it is open.
  [[nodiscard]] absl::StatusOr<std::string> PayloadPath(const std::string& tenant, const std::string& name) const;
  [[nodiscard]] absl::Status Delete(const std::string& tenant, const std::string& name, std::uint64_t expected_version);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dvren::server
