#include "server/registries/field_registry.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "dvren/core/device.h"
#include "google/protobuf/util/time_util.h"
#include "server/codec/volume_codec.h"
#include "server/registries/digest.h"
#include "server/registries/display_name.h"
#include "server/registries/field_check.h"
#include "server/registries/field_residency.h"

namespace dvren::server {
namespace {

using OwnedName = std::pair<std::string, std::string>;  // owner, then a display name or a request id

// Of a field's updates so many are remembered, so that a retry is answered instead of carried out again.
constexpr std::size_t kRememberedUpdates = 16;

// A version of a field, on devices.
std::string ResidentKey(const v1::Field& description) {
  return absl::StrCat(description.name(), "@", description.version());
}

absl::Status StaleVersion(std::uint64_t expected, const v1::Field& field) {
  return absl::AbortedError(absl::StrCat("expected_version = ", expected, ": the current version of ", field.name(),
                                         " is ", field.version(), "; read the field again"));
}

absl::Status NoSuchField(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("field = ", name, ": no such field; see ListFields"));
}

}  // namespace

struct FieldRegistry::Impl {
  std::unique_ptr<FieldStore> store;
  FieldRegistryOptions options;
  FieldResidency residency;

  mutable std::mutex mutex;
  // All guarded by mutex.
  std::map<std::string, v1::Field> by_name;                         // "fields/{id}"
  std::map<OwnedName, std::string> by_display_name, by_request_id;  // to "fields/{id}"
  std::set<OwnedName> names_being_made, requests_being_made;
  std::set<std::string> being_updated;                         // "fields/{id}"
  std::map<std::string, std::vector<std::string>> update_ids;  // of "fields/{id}", newest last
  std::vector<DamagedField> damaged;

  // Needs mutex.
  const v1::Field* FindLocked(const std::string& tenant, const std::string& name) const {
    std::string full = name;
    if (FieldIdOf(name).empty()) {
      const auto alias = by_display_name.find({tenant, name});
      if (alias == by_display_name.end()) return nullptr;
      full = alias->second;
    }
    const auto found = by_name.find(full);
    return found == by_name.end() || found->second.owner() != tenant ? nullptr : &found->second;
  }

  // Needs mutex.
  absl::Status CheckFreeLocked(const OwnedName& name) const {
    if (by_display_name.count(name) == 0 && names_being_made.count(name) == 0) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat("display_name = ", name.second, ": taken; choose another or delete that field first"));
  }

  // Needs mutex.
  void InsertLocked(const StoredField& field) {
    const v1::Field& description = field.description;
    by_display_name[{description.owner(), description.display_name()}] = description.name();
    if (!field.request_id.empty()) by_request_id[{description.owner(), field.request_id}] = description.name();
    if (!field.update_ids.empty()) update_ids[description.name()] = field.update_ids;
    by_name[description.name()] = description;
  }

  // Needs mutex. The field to update, or the outcome of an earlier update with the same request_id.
  absl::StatusOr<const v1::Field*> FindUpdatableLocked(const FieldUpdate& update, bool* repeated) const {
    const v1::Field* found = FindLocked(update.tenant, update.name);
    if (found == nullptr) return NoSuchField(update.name);
    if (const auto ids = update_ids.find(found->name()); ids != update_ids.end() && !update.request_id.empty()) {
      *repeated = std::find(ids->second.begin(), ids->second.end(), update.request_id) != ids->second.end();
      if (*repeated) return found;
    }
    if (!found->has_dense_grid()) {
      return absl::FailedPreconditionError(
          absl::StrCat("field = ", update.name, ": is a ", found->type(),
                       " field, and only dense grids can be given new values; import it anew, or as a dense grid"));
    }
    if (update.expected_version != 0 && update.expected_version != found->version()) {
      return StaleVersion(update.expected_version, *found);
    }
    if (being_updated.count(found->name()) != 0) {
      return absl::AbortedError(absl::StrCat("field = ", update.name, ": another update of version ", found->version(),
                                             " is under way; read the field again"));
    }
    return found;
  }

  std::uint64_t DeviceBudget(const Device& device) const {
    return options.device_memory_bytes != 0 ? options.device_memory_bytes : device.info().memory_total_bytes / 4 * 3;
  }

  absl::StatusOr<std::shared_ptr<const Field>> Place(Stream& stream, const v1::Field& description) {
    return Place(stream, description, ResidentKey(description), [&] { return store->ReadPayload(description); });
  }

  absl::StatusOr<std::shared_ptr<const Field>> Place(Stream& stream, const v1::Field& description,
                                                     const std::string& key, const PayloadReader& read) {
    const Device& device = *stream.device();
    const std::string& id = description.name();
    if (auto field = residency.Find(key, device)) return field;
    const std::uint64_t budget = DeviceBudget(device);
    if (description.payload_bytes() > budget) {
      return absl::ResourceExhaustedError(absl::StrCat("field = ", id, ": its ", description.payload_bytes(),
                                                       " bytes are more than fields may take on device ",
                                                       device.info().id, ", ", budget, " bytes; use another device"));
    }
    if (!residency.ShrinkTo(device, budget - description.payload_bytes())) {
      return absl::ResourceExhaustedError(absl::StrCat("field = ", id, ": the fields in use leave no room on device ",
                                                       device.info().id, "; retry when they are done"));
    }
    DVREN_ASSIGN_OR_RETURN(io::Blob payload, read());
    DVREN_ASSIGN_OR_RETURN(const io::Volume volume, VolumeFrom(description, std::move(payload)));
    auto made = CreateField(stream, volume);
    if (absl::IsResourceExhausted(made.status())) {  // the budget was too hopeful: keep only what is being rendered
      residency.ShrinkTo(device, 0);
      made = CreateField(stream, volume);
    }
    if (!made.ok()) return made.status();
    std::shared_ptr<const Field> field = *std::move(made);
    residency.Keep(key, field);
    return field;
  }
};

FieldRegistry::FieldRegistry(std::unique_ptr<FieldStore> store)
    : FieldRegistry(std::move(store), FieldRegistryOptions{}) {}

FieldRegistry::FieldRegistry(std::unique_ptr<FieldStore> store, const FieldRegistryOptions& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->store = std::move(store);
  impl_->options = options;
}

FieldRegistry::~FieldRegistry() = default;

absl::Status FieldRegistry::Load() {
  std::vector<DamagedField> damaged;
  DVREN_ASSIGN_OR_RETURN(std::vector<StoredField> fields, impl_->store->LoadAll(damaged));
  // Oldest first, so that of two that claim one name the older keeps it, whatever the folder's order.
  std::sort(fields.begin(), fields.end(), [](const StoredField& a, const StoredField& b) {
    using google::protobuf::util::TimeUtil;
    const auto time = [](const StoredField& field) {
      return TimeUtil::TimestampToNanoseconds(field.description.create_time());
    };
    return std::pair(time(a), a.description.name()) < std::pair(time(b), b.description.name());
  });
  const std::lock_guard lock(impl_->mutex);
  for (const StoredField& field : fields) {
    const v1::Field& description = field.description;
    if (impl_->by_display_name.count({description.owner(), description.display_name()}) != 0) {
      damaged.push_back({FieldIdOf(description.name()),
                         absl::StrCat("display_name = ", description.display_name(), ": taken twice")});
      continue;
    }
    impl_->InsertLocked(field);
  }
  impl_->damaged = std::move(damaged);
  return absl::OkStatus();
}

std::vector<DamagedField> FieldRegistry::damaged() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->damaged;
}

absl::StatusOr<v1::Field> FieldRegistry::Add(FieldCreation creation, const io::Volume& volume) {
  StoredField field{std::move(creation.description), std::move(creation.request_id)};
  v1::Field& description = field.description;
  DVREN_RETURN_IF_ERROR(ValidateDisplayName(description.display_name()));
  const OwnedName display_name{description.owner(), description.display_name()};
  const OwnedName request{description.owner(), field.request_id};
  {
    const std::lock_guard lock(impl_->mutex);
    if (!field.request_id.empty()) {
      if (const auto made = impl_->by_request_id.find(request); made != impl_->by_request_id.end()) {
        return impl_->by_name.at(made->second);
      }
      if (impl_->requests_being_made.count(request) != 0) {
        return absl::AbortedError(
            absl::StrCat("request_id = ", field.request_id, ": still being carried out; retry later"));
      }
    }
    DVREN_RETURN_IF_ERROR(impl_->CheckFreeLocked(display_name));
    impl_->names_being_made.insert(display_name);
    if (!field.request_id.empty()) impl_->requests_being_made.insert(request);
  }

  const auto make = [&]() -> absl::Status {
    DVREN_RETURN_IF_ERROR(CheckAndDescribe(volume, &description));
    const io::Blob& payload = PayloadOf(volume);
    description.set_name(absl::StrCat("fields/", RandomId()));
    description.set_version(1);
    *description.mutable_create_time() = google::protobuf::util::TimeUtil::GetCurrentTime();
    const auto may_publish = [&] {
      return creation.cancelled && creation.cancelled()
                 ? absl::CancelledError("the caller went away; no field was made")
                 : absl::OkStatus();
    };
    return impl_->store->Put(field, payload.data(), payload.size(), may_publish);
  };
  const absl::Status status = make();

  const std::lock_guard lock(impl_->mutex);
  impl_->names_being_made.erase(display_name);
  impl_->requests_being_made.erase(request);
  if (!status.ok()) return status;
  impl_->InsertLocked(field);
  return description;
}

absl::StatusOr<std::optional<v1::Field>> FieldRegistry::CheckUpdate(const FieldUpdate& update) const {
  DVREN_RETURN_IF_ERROR(ValidateRequestId(update.request_id));
  const std::lock_guard lock(impl_->mutex);
  bool repeated = false;
  DVREN_ASSIGN_OR_RETURN(const v1::Field* found, impl_->FindUpdatableLocked(update, &repeated));
  return repeated ? std::optional(*found) : std::nullopt;
}

absl::StatusOr<v1::Field> FieldRegistry::Update(const FieldUpdate& update, io::Blob values) {
  return UpdateWith(update, [&](const v1::Field& old) -> absl::StatusOr<io::Volume> {
    if (values.size() != old.payload_bytes()) {
      return InvalidField("payload", absl::StrCat(values.size(), " bytes"),
                          absl::StrCat("must hold ", old.payload_bytes(), ", as shape and dtype of the field say"));
    }
    return VolumeFrom(old, std::move(values));
  });
}

absl::StatusOr<v1::Field> FieldRegistry::Replace(const FieldUpdate& update, io::DenseVolume volume) {
  return UpdateWith(update, [&](const v1::Field&) -> absl::StatusOr<io::Volume> { return std::move(volume); });
}

absl::StatusOr<v1::Field> FieldRegistry::UpdateWith(
    const FieldUpdate& update, const std::function<absl::StatusOr<io::Volume>(const v1::Field& old)>& make) {
  DVREN_RETURN_IF_ERROR(ValidateRequestId(update.request_id));
  v1::Field old;
  StoredField next;
  {
    const std::lock_guard lock(impl_->mutex);
    bool repeated = false;
    DVREN_ASSIGN_OR_RETURN(const v1::Field* found, impl_->FindUpdatableLocked(update, &repeated));
    if (repeated) return *found;
    old = *found;
    if (const auto ids = impl_->update_ids.find(old.name()); ids != impl_->update_ids.end()) {
      next.update_ids = ids->second;
    }
    impl_->being_updated.insert(old.name());
  }
  if (!update.request_id.empty()) next.update_ids.push_back(update.request_id);
  if (next.update_ids.size() > kRememberedUpdates) next.update_ids.erase(next.update_ids.begin());
  v1::Field& description = next.description;
  description = old;
  description.set_version(old.version() + 1);
  const auto replace = [&]() -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(const io::Volume volume, make(old));
    DVREN_RETURN_IF_ERROR(CheckAndDescribe(volume, &description));
    const io::Blob& payload = PayloadOf(volume);
    const auto may_publish = [&] {
      return update.cancelled && update.cancelled()
                 ? absl::CancelledError("the caller went away; the field is as it was")
                 : absl::OkStatus();
    };
    return impl_->store->Replace(old, next, payload.data(), payload.size(), may_publish);
  };
  const absl::Status status = replace();
  if (status.ok()) {
    {
      const std::lock_guard lock(impl_->mutex);
      impl_->by_name[old.name()] = description;
      if (!next.update_ids.empty()) impl_->update_ids[old.name()] = std::move(next.update_ids);
    }
    // Only now that nobody is told of the old version. Renders that hold its values go on with them.
    impl_->store->Tidy(description);
    impl_->residency.Drop(ResidentKey(old));
  }
  const std::lock_guard lock(impl_->mutex);
  impl_->being_updated.erase(old.name());
  if (!status.ok()) return status;
  return description;
}

absl::StatusOr<v1::Field> FieldRegistry::FindCreated(const std::string& tenant, const std::string& request_id) const {
  const std::lock_guard lock(impl_->mutex);
  const auto made = impl_->by_request_id.find({tenant, request_id});
  if (request_id.empty() || made == impl_->by_request_id.end()) {
    return absl::NotFoundError(absl::StrCat("request_id = ", request_id, ": made no field"));
  }
  return impl_->by_name.at(made->second);
}

absl::Status FieldRegistry::CheckDisplayName(const std::string& tenant, const std::string& display_name) const {
  DVREN_RETURN_IF_ERROR(ValidateDisplayName(display_name));
  const std::lock_guard lock(impl_->mutex);
  return impl_->CheckFreeLocked({tenant, display_name});
}

absl::StatusOr<v1::Field> FieldRegistry::Get(const std::string& tenant, const std::string& name) const {
  const std::lock_guard lock(impl_->mutex);
  const v1::Field* field = impl_->FindLocked(tenant, name);
  if (field == nullptr) return NoSuchField(name);
  return *field;
}

std::vector<v1::Field> FieldRegistry::List(const std::string& tenant) const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<v1::Field> fields;
  for (const auto& [name, field] : impl_->by_name) {
    if (field.owner() == tenant) fields.push_back(field);
  }
  return fields;
}

absl::StatusOr<FieldLease> FieldRegistry::Acquire(Stream& stream, const std::string& tenant, const std::string& name,
                                                  std::uint64_t expected_version) {
  while (true) {
    FieldLease lease;
    DVREN_ASSIGN_OR_RETURN(lease.description, Get(tenant, name));
    if (expected_version != 0 && expected_version != lease.description.version()) {
      return absl::AbortedError(absl::StrCat("field_version = ", expected_version, ": the current version of ", name,
                                             " is ", lease.description.version(), "; read the field again"));
    }
    auto field = impl_->Place(stream, lease.description);
    if (field.ok()) {
      lease.field = *std::move(field);
      return lease;
    }
    // A payload that was replaced while it was read is gone, not damaged: take the new one.
    const auto now = Get(tenant, name);
    if (!now.ok() || now->version() == lease.description.version()) return field.status();
  }
}

absl::StatusOr<FieldLease> FieldRegistry::AcquireForeign(Stream& stream, const v1::Field& description,
                                                         const std::string& key, const PayloadReader& read) {
  FieldLease lease;
  lease.description = description;
  DVREN_ASSIGN_OR_RETURN(lease.field, impl_->Place(stream, description, key, read));
  return lease;
}

absl::StatusOr<FileHandle> FieldRegistry::OpenPayload(const v1::Field& description) const {
  auto file = impl_->store->OpenPayload(description);
  if (absl::IsNotFound(file.status())) return NoSuchField(description.name());  // deleted since it was looked up
  return file;
}

absl::Status FieldRegistry::Delete(const std::string& tenant, const std::string& name, std::uint64_t expected_version) {
  StoredField stored;
  v1::Field& field = stored.description;
  {
    const std::lock_guard lock(impl_->mutex);
    const v1::Field* found = impl_->FindLocked(tenant, name);
    if (found == nullptr) return NoSuchField(name);
    if (expected_version != 0 && expected_version != found->version()) return StaleVersion(expected_version, *found);
    if (impl_->being_updated.count(found->name()) != 0) {
      return absl::AbortedError(absl::StrCat("field = ", name, ": is being updated; retry later"));
    }
    field = *found;
    if (const auto ids = impl_->update_ids.find(field.name()); ids != impl_->update_ids.end()) {
      stored.update_ids = std::move(ids->second);
      impl_->update_ids.erase(ids);
    }
    // Forgotten first: of two deletions one finds it, and nobody leases what is on its way out. The display name stays
    // taken until the folder is gone, so that no new field of that name meets the old one after a crash.
    impl_->by_name.erase(field.name());
    impl_->names_being_made.insert({field.owner(), field.display_name()});
    impl_->by_display_name.erase({field.owner(), field.display_name()});
    for (auto it = impl_->by_request_id.begin(); it != impl_->by_request_id.end();) {
      if (it->second != field.name()) {
        ++it;
        continue;
      }
      stored.request_id = it->first.second;
      it = impl_->by_request_id.erase(it);
    }
  }
  const absl::Status removed = impl_->store->Remove(field);
  const bool still_there = !removed.ok() && impl_->store->OpenPayload(field).ok();
  if (!still_there) impl_->residency.Drop(ResidentKey(field));
  const std::lock_guard lock(impl_->mutex);
  impl_->names_being_made.erase({field.owner(), field.display_name()});
  if (still_there) impl_->InsertLocked(stored);
  return removed;
}

std::size_t FieldRegistry::on_disk() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->by_name.size();
}

std::size_t FieldRegistry::on_devices() const {
  return impl_->residency.size();
}

const FieldStore& FieldRegistry::store() const {
  return *impl_->store;
}

}  // namespace dvren::server
