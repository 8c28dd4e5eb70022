// FieldStore: fields on disk. `data_dir/fields/{id}/` holds payload.bin (raw dense values or a NanoVDB buffer) and
// field.json (v1.Field as protobuf JSON), and request_id where the creation carried one. A field is written below
// `data_dir/tmp/`, synced and renamed into place, so that it is there wholly or not at all; tmp is emptied at start.
// An update writes payload-{version}.bin and updates-{version} beside the old ones and then renames a new field.json
// over the old: that moment, and no other, is the change.
// Thread-safe; holds no state but paths.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dvren/io/volume.h"
#include "dvren/v1/field_service.pb.h"
#include "server/registries/durable_file.h"

namespace dvren::server {

struct StoredField {
  v1::Field description;
  std::string request_id;               // of the creation; "" without
  std::vector<std::string> update_ids;  // request ids of the last updates, newest last
};

struct DamagedField {
  std::string id;
  std::string reason;
};

class FieldStore {
 public:
  // Makes the folders and removes what an earlier run left half-made. `faults` is for tests.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<FieldStore>> Open(const std::string& data_dir,
                                                                        FileFaults faults = nullptr);

  // Every field whose description and payload size are sound. The others are left untouched on disk and named in
  // `damaged`.
  [[nodiscard]] absl::StatusOr<std::vector<StoredField>> LoadAll(std::vector<DamagedField>& damaged) const;

  // Returns once the field is durable. `may_publish` is asked last, before the field is renamed into place: not OK
  // gives up and leaves nothing. RESOURCE_EXHAUSTED when the disk is full; nothing half-made stays.
  [[nodiscard]] absl::Status Put(const StoredField& field, const void* payload, std::size_t payload_bytes,
                                 const std::function<absl::Status()>& may_publish) const;
  // Gives the field `old` a new payload and description; durable when it returns. After an error it is as it was.
  // `may_publish` as in Put. The old payload stays for those who still look for it, until Tidy.
  [[nodiscard]] absl::Status Replace(const v1::Field& old, const StoredField& field, const void* payload,
                                     std::size_t payload_bytes, const std::function<absl::Status()>& may_publish) const;
  // Removes what updates have left in the field's folder: those that came to nothing, and versions before this one.
  void Tidy(const v1::Field& description) const;
  // The whole payload, checked against size and SHA-256: DATA_LOSS naming the field where they differ.
  [[nodiscard]] absl::StatusOr<io::Blob> ReadPayload(const v1::Field& description) const;
  // The payload's file; stays readable through this handle when the field is removed.
  [[nodiscard]] absl::StatusOr<FileHandle> OpenPayload(const v1::Field& description) const;
  // Durable when it returns.
  [[nodiscard]] absl::Status Remove(const v1::Field& description) const;

  [[nodiscard]] const std::string& data_dir() const { return data_dir_; }
  // A folder for files that need not survive the process; emptied at start.
  [[nodiscard]] const std::string& tmp_dir() const { return tmp_dir_; }

 private:
  FieldStore(const std::string& data_dir, FileFaults faults);
  [[nodiscard]] absl::StatusOr<StoredField> LoadOne(const std::string& id) const;
  [[nodiscard]] std::string FolderOf(const v1::Field& description) const;
  [[nodiscard]] std::string PayloadPath(const v1::Field& description) const;
  [[nodiscard]] absl::Status WritePayload(const std::string& path, const void* payload, std::size_t payload_bytes,
                                          const std::function<absl::Status()>& may_publish) const;

  std::string data_dir_, fields_dir_, tmp_dir_;
  FileFaults faults_;
};

// "fields/{id}" → id; "" for anything else.
[[nodiscard]] std::string FieldIdOf(const std::string& name);

}  // namespace dvren::server
