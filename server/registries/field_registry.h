// FieldRegistry: the fields that this daemon keeps, by name and owner: on disk (FieldStore) and, on demand, on devices.
// Thread-safe. A field becomes visible only when it is wholly on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dvren/fields/field.h"
#include "dvren/io/volume.h"
#include "dvren/v1/field_service.pb.h"
#include "server/registries/field_store.h"

namespace dvren::server {

// A field as others may use it: its description and, loaded on first use, its place on a device.
struct FieldLease {
  v1::Field description;
  std::shared_ptr<const Field> field;
};

struct FieldRegistryOptions {
  // Fields on one device may take this many bytes; 0: three quarters of the device's memory. Least recently used ones
  // that nobody renders make room; they come back from disk.
  std::uint64_t device_memory_bytes = 0;
};

struct FieldCreation {
  v1::Field description;   // carries display_name, owner and source; the rest is filled in
  std::string request_id;  // "" without; the same id of the same owner gives the same field
  // Asked until the field is visible; true gives up with CANCELLED and leaves nothing. May be null.
  std::function<bool()> cancelled;
};

// New values for a dense grid.
struct FieldUpdate {
  std::string tenant, name;
  std::uint64_t expected_version = 0;  // 0: any
  std::string request_id;              // "" without; a repeated one of the field's last updates is carried out once
  std::function<bool()> cancelled;     // as in FieldCreation
};

class FieldRegistry {
 public:
  explicit FieldRegistry(std::unique_ptr<FieldStore> store);
  FieldRegistry(std::unique_ptr<FieldStore> store, const FieldRegistryOptions& options);
  ~FieldRegistry();

  // Reads what the store holds; called once at start. Damaged fields do not stop the daemon: they are set aside,
  // untouched on disk, and listed by damaged().
  [[nodiscard]] absl::Status Load();
  [[nodiscard]] std::vector<DamagedField> damaged() const;

  // Checks the volume as a device would, writes payload and description durably, then makes the field visible.
  // ALREADY_EXISTS for a taken display name.
  [[nodiscard]] absl::StatusOr<v1::Field> Add(FieldCreation creation, const io::Volume& volume);
  // The field that an earlier creation with this request_id made; NOT_FOUND without.
  [[nodiscard]] absl::StatusOr<v1::Field> FindCreated(const std::string& tenant, const std::string& request_id) const;
  // OK where Add would accept this name now.
  [[nodiscard]] absl::Status CheckDisplayName(const std::string& tenant, const std::string& display_name) const;
  // Refuses what Update would refuse before it has seen any values. Set: an earlier update with this request_id has
  // been carried out, and this is the field. ABORTED when expected_version is not current.
  [[nodiscard]] absl::StatusOr<std::optional<v1::Field>> CheckUpdate(const FieldUpdate& update) const;
  // Checks the values as Add does and makes them the field's, durably; its version grows. `values` holds payload_bytes.
  // ABORTED when expected_version is not current or another update is under way, FAILED_PRECONDITION for a field that
  // is no dense grid.
  [[nodiscard]] absl::StatusOr<v1::Field> Update(const FieldUpdate& update, io::Blob values);
  // The same with a volume of whatever shape, box and activation: the field is that volume from then on.
  [[nodiscard]] absl::StatusOr<v1::Field> Replace(const FieldUpdate& update, io::DenseVolume volume);
  // By "fields/{id}" or display name. Another tenant's field is NOT_FOUND.
  [[nodiscard]] absl::StatusOr<v1::Field> Get(const std::string& tenant, const std::string& name) const;
  [[nodiscard]] std::vector<v1::Field> List(const std::string& tenant) const;
  // Loads the field to the stream's device unless it is there. ABORTED when expected_version (0 = any) is not current,
  // DATA_LOSS when the payload is not what was acknowledged.
  [[nodiscard]] absl::StatusOr<FieldLease> Acquire(Stream& stream, const std::string& tenant, const std::string& name,
                                                   std::uint64_t expected_version);
  // A field that is kept elsewhere: on devices, as if it were one of these, under `key`, which it alone has. `read`
  // gives its payload where it is not there.
  using PayloadReader = std::function<absl::StatusOr<io::Blob>()>;
  [[nodiscard]] absl::StatusOr<FieldLease> AcquireForeign(Stream& stream, const v1::Field& description,
                                                          const std::string& key, const PayloadReader& read);
  // The payload's file, for downloads; it stays readable through the handle after a Delete.
  [[nodiscard]] absl::StatusOr<FileHandle> OpenPayload(const v1::Field& description) const;
  [[nodiscard]] absl::Status Delete(const std::string& tenant, const std::string& name, std::uint64_t expected_version);

  [[nodiscard]] std::size_t on_disk() const;
  [[nodiscard]] std::size_t on_devices() const;
  [[nodiscard]] const FieldStore& store() const;

 private:
  // `make`: the new volume, given the old description.
  [[nodiscard]] absl::StatusOr<v1::Field> UpdateWith(
      const FieldUpdate& update, const std::function<absl::StatusOr<io::Volume>(const v1::Field& old)>& make);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dvren::server
