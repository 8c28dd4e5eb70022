#include "server/services/upload_stream.h"

#include <utility>

#include "server/metrics/metrics.h"
#include "server/registries/display_name.h"
#include "server/registries/field_registry.h"

namespace dvren::server {
namespace {

// Initial metadata with the upload's name, so that a sender whose call is cut knows what to resume.
constexpr char kUploadKey[] = "dvren-upload";

// What the sender says now counts; what it leaves out is as it was said at the upload's begin.
v1::UploadHeader Merged(v1::UploadHeader stored, const v1::UploadHeader& given) {
  if (!given.display_name().empty()) stored.set_display_name(given.display_name());
  if (!given.source().empty()) stored.set_source(given.source());
  if (!given.request_id().empty()) stored.set_request_id(given.request_id());
  if (given.has_options()) *stored.mutable_options() = given.options();
  stored.set_keep_only(given.keep_only());
  return stored;
}

}  // namespace

UploadStream::UploadStream(ServiceContext& context, UploadStore& uploads, FieldImport& imports, WorkerPool& files,
                           grpc::CallbackServerContext* call, v1::UploadFieldResponse* response)
    : context_(context),
      uploads_(uploads),
      imports_(imports),
      files_(files),
      call_(call),
      response_(response),
      scope_(context, call, "FieldService/UploadField") {
  if (scope_.tenant().ok()) {
    StartRead(&message_);
  } else {
    End(scope_.tenant().status());
  }
}

void UploadStream::OnReadDone(bool ok) {
  const bool accepted = files_.Post([this, ok] { ok ? TakeMessage() : TakeEnd(); });
  if (!accepted) End(absl::ResourceExhaustedError("uploads: too many at once; retry later"));
}

void UploadStream::OnDone() {
  delete this;
}

void UploadStream::TakeMessage() {
  if (lease_ == nullptr) {
    TakeHeader();
    return;
  }
  if (!message_.has_chunk()) {
    End(InvalidField("part", "not a chunk", "after the header every message must hold a chunk"));
    return;
  }
  if (const absl::Status status = lease_->Append(message_.chunk()); !status.ok()) {
    End(status);
    return;
  }
  context_.metrics.Transferred("in", static_cast<double>(message_.chunk().data().size()));
  StartRead(&message_);
}

void UploadStream::TakeHeader() {
  if (!message_.has_header()) {
    End(InvalidField("part", "not a header", "the first message must hold the header"));
    return;
  }
  if (const absl::Status status = OpenUpload(message_.header()); !status.ok()) {
    End(status);
    return;
  }
  if (lease_ == nullptr) {  // made earlier: nothing needs to be sent
    End(absl::OkStatus());
    return;
  }
  call_->AddInitialMetadata(kUploadKey, lease_->name());
  StartSendInitialMetadata();
  StartRead(&message_);
}

absl::Status UploadStream::OpenUpload(const v1::UploadHeader& given) {
  const std::string& tenant = *scope_.tenant();
  DVREN_RETURN_IF_ERROR(ValidateRequestId(given.request_id()));
  if (!given.upload().empty()) {
    auto lease = uploads_.Resume(tenant, given.upload());
    // An upload that was finished and became a field is gone; a sender that missed the answer gets it again.
    if (absl::IsNotFound(lease.status())) {
      if (auto made = context_.fields.FindCreated(tenant, given.request_id()); made.ok()) {
        *response_->mutable_field() = *std::move(made);
        return absl::OkStatus();
      }
    }
    if (!lease.ok()) return lease.status();
    if (given.total_bytes() != 0 && given.total_bytes() != (*lease)->header().total_bytes()) {
      return InvalidField(
          "header.total_bytes", given.total_bytes(),
          absl::StrCat("must be ", (*lease)->header().total_bytes(), ", as at the begin of the upload, or 0"));
    }
    lease_ = *std::move(lease);
  }
  const v1::UploadHeader header = lease_ == nullptr ? given : Merged(lease_->header(), given);
  keep_only_ = header.keep_only();
  spec_ = {tenant, header.display_name(), header.source(), header.request_id(), header.options()};
  if (!keep_only_) {
    // A name that is taken or an option that is wrong is told before gigabytes are sent.
    DVREN_ASSIGN_OR_RETURN(std::optional<v1::Field> made, imports_.Check(spec_));
    if (made) {
      if (lease_ != nullptr) lease_->Discard();
      lease_.reset();
      *response_->mutable_field() = *std::move(made);
      return absl::OkStatus();
    }
  }
  if (lease_ == nullptr) {
    DVREN_ASSIGN_OR_RETURN(lease_, uploads_.Begin(tenant, header));
  }
  return absl::OkStatus();
}

void UploadStream::TakeEnd() {
  if (call_->IsCancelled()) {
    End(absl::CancelledError("the caller went away; the upload can be resumed"));
    return;
  }
  if (lease_ == nullptr) {
    End(InvalidField("part", "absent", "the first message must hold the header"));
    return;
  }
  if (const absl::Status status = lease_->Sync(); !status.ok()) {
    End(status);
    return;
  }
  *response_->mutable_upload() = lease_->Describe();
  if (keep_only_) {
    End(absl::OkStatus());
    return;
  }
  if (!lease_->complete()) {
    End(absl::FailedPreconditionError(absl::StrCat("upload = ", lease_->name(), ": ", lease_->received(), " of ",
                                                   lease_->header().total_bytes(),
                                                   " bytes arrived; resume it at offset ", lease_->received())));
    return;
  }
  FieldImport::Call import;
  import.deadline = scope_.deadline();
  import.cancelled = [this] { return call_->IsCancelled();
};
import.done = [this](absl::StatusOr<v1::Field> field) { OnImported(std::move(field));
};  // namespace dvren::server
if (const absl::Status status = imports_.Start(spec_, lease_->data_path(), std::move(import)); !status.ok())
  End(status);
}

void UploadStream::OnImported(absl::StatusOr<v1::Field> field) {
  if (!field.ok()) {
    // The bytes stay: other options, or a later time, may do.
    End(field.status());
    return;
  }
  lease_->Discard();
  *response_->mutable_field() = *std::move(field);
  End(absl::OkStatus());
}

void UploadStream::End(const absl::Status& status) {
  // Before the answer, so that a caller who resumes at once is not told that the upload is in use.
  lease_.reset();
  Finish(scope_.Finish(status));
}

}  // namespace dvren::server
