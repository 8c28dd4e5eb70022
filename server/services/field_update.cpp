#include "server/services/field_update.h"

#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "server/registries/field_registry.h"
#include "server/registries/gradient_registry.h"

namespace dvren::server {
namespace {

// Told before memory is taken for them.
absl::Status CheckBytes(const char* path, std::uint64_t bytes, const v1::Field& field) {
  if (bytes == field.payload_bytes()) return absl::OkStatus();
  return InvalidField(
      path, absl::StrCat(bytes, " bytes"),
      absl::StrCat("must hold ", field.payload_bytes(), ", as shape and dtype of ", field.name(), " say"));
}

absl::StatusOr<io::Blob> ReadUpload(const UploadLease& lease, const v1::Field& field) {
  if (!lease.complete()) {
    return absl::FailedPreconditionError(absl::StrCat("payload.upload = ", lease.name(), ": only ", lease.received(),
                                                      " of ", lease.header().total_bytes(),
                                                      " bytes arrived; resume it"));
  }
  DVREN_RETURN_IF_ERROR(CheckBytes("payload.upload", lease.received(), field));
  DVREN_ASSIGN_OR_RETURN(const FileHandle file, FileHandle::OpenForReading(lease.data_path()));
  io::Blob values(lease.received());
  DVREN_RETURN_IF_ERROR(file.ReadAt(values.data(), values.size(), 0, lease.name()));
  return values;
}

absl::StatusOr<v1::Field> Run(ServiceContext& context, UploadStore& uploads, const FieldUpdate& update,
                              const v1::TensorPayload& payload) {
  DVREN_ASSIGN_OR_RETURN(std::optional<v1::Field> done, context.fields.CheckUpdate(update));
  if (done) return *std::move(done);
  DVREN_ASSIGN_OR_RETURN(const v1::Field field, context.fields.Get(update.tenant, update.name));
  io::Blob values;
  std::unique_ptr<UploadLease> lease;
  switch (payload.source_case()) {
    case v1::TensorPayload::kInline:
      DVREN_RETURN_IF_ERROR(CheckBytes("payload.inline", payload.inline_().size(), field));
      values = io::Blob::Copy(payload.inline_().data(), payload.inline_().size());
      break;
    case v1::TensorPayload::kUpload: {
      DVREN_ASSIGN_OR_RETURN(lease, uploads.Resume(update.tenant, payload.upload()));
      DVREN_ASSIGN_OR_RETURN(values, ReadUpload(*lease, field));
      break;
    }
    case v1::TensorPayload::kSharedMemory:
      return absl::UnimplementedError("payload.shared_memory: not implemented yet; send inline bytes or an upload");
    case v1::TensorPayload::SOURCE_NOT_SET:
      return InvalidField("payload", "absent", "send inline bytes or name an upload");
  }
  DVREN_ASSIGN_OR_RETURN(v1::Field updated, context.fields.Update(update, std::move(values)));
  context.gradients.Drop(updated.name());
  if (lease != nullptr) lease->Discard();
  return updated;
}

}  // namespace

absl::StatusOr<v1::Field> UpdateFieldValues(ServiceContext& context, UploadStore& uploads, const std::string& tenant,
                                            const v1::UpdateFieldRequest& request, std::function<bool()> cancelled) {
  const FieldUpdate update{tenant, request.name(), request.expected_version(), request.request_id(),
                           std::move(cancelled)};
  try {
    return Run(context, uploads, update, request.payload());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("update: no host memory left for the values; retry later");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("update: ", error.what()));
  }
}

}  // namespace dvren::server
