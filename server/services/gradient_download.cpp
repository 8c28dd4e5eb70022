#include "server/services/gradient_download.h"

#include <string>
#include <utility>

#include "server/codec/gradient_codec.h"
#include "server/metrics/metrics.h"
#include "server/registries/field_registry.h"
#include "server/services/device_task.h"

namespace dvren::server {

GradientDownload::GradientDownload(ServiceContext& context, grpc::CallbackServerContext* call,
                                   const v1::DownloadFieldRequest& request)
    : context_(context), scope_(context, call, "FieldService/DownloadField") {
  if (const absl::Status status = Submit(request); !status.ok()) End(status);
}

absl::Status GradientDownload::Submit(const v1::DownloadFieldRequest& request) {
  if (!scope_.tenant().ok()) return scope_.tenant().status();
  DVREN_ASSIGN_OR_RETURN(field_, context_.fields.Get(*scope_.tenant(), request.name()));
  DVREN_ASSIGN_OR_RETURN(const DType dtype, DecodeGradientDType(request.dtype(), "dtype"));
  offset_ = request.offset();
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<FieldGradient> gradient, context_.gradients.Find(FieldKey::Of(field_)));
  WorkOptions options;
  options.label = "FieldService/DownloadField";
  options.tenant = *scope_.tenant();
  options.work_class = WorkClass::kInteractive;
  options.deadline = scope_.deadline();
  options.device = gradient->device();
  auto task =
      std::make_shared<DeviceTask>([this, gradient, dtype](Stream& stream) { return Copy(stream, *gradient, dtype); },
                                   [this](const absl::Status& status) { status.ok() ? SendFirst() : End(status); });
  DVREN_ASSIGN_OR_RETURN(const WorkId work, context_.scheduler.Submit(std::move(task), std::move(options)));
  // gRPC calls OnCancel only after this reactor has been returned: it finds the id.
  MutexLock lock(mutex_);
  work_ = work;
  return absl::OkStatus();
}

absl::Status GradientDownload::Copy(Stream& stream, const FieldGradient& gradient, DType dtype) {
  DVREN_RETURN_IF_ERROR(gradient.CheckSound());  // as it may not be any more
  DVREN_ASSIGN_OR_RETURN(values_, GradientValues::Read(stream, gradient, dtype, context_.gradients.budget()));
  if (offset_ <= values_->bytes()) return absl::OkStatus();
  return InvalidField("offset", offset_, absl::StrCat("must be at most the gradient's ", values_->bytes(), " bytes"));
}

void GradientDownload::SendFirst() {
  *message_.mutable_field() = field_;
  values_->Describe(message_.mutable_gradient());
  StartWrite(&message_);
}

void GradientDownload::OnWriteDone(bool ok) {
  if (ok) {
    SendNext();
  } else {
    End(absl::CancelledError("the caller went away"));
  }
}

void GradientDownload::SendNext() {
  message_.Clear();
  if (offset_ == values_->bytes()) {
    End(absl::OkStatus());
    return;
  }
  values_->FillChunk(offset_, message_.mutable_chunk());
  offset_ += message_.chunk().data().size();
  context_.metrics.Transferred("out", static_cast<double>(message_.chunk().data().size()));
  StartWrite(&message_);
}

void GradientDownload::OnCancel() {
  std::optional<WorkId> work;
  {
    MutexLock lock(mutex_);
    work = work_;
  }
  if (work) context_.scheduler.Cancel(*work);
}

void GradientDownload::OnDone() {
  delete this;
}

void GradientDownload::End(const absl::Status& status) {
  Finish(scope_.Finish(status));
}

}  // namespace dvren::server
