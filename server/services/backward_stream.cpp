#include "server/services/backward_stream.h"

#include <utility>

#include "server/metrics/metrics.h"
#include "server/registries/field_registry.h"
#include "server/services/tape_freshness.h"

namespace dvren::server {
namespace {

constexpr std::uint64_t kMessageOverhead = 4096;  // of the summary around its elements

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

BackwardStream::BackwardStream(ServiceContext& context, grpc::CallbackServerContext* call)
    : context_(context), call_(call), scope_(context, call, "RenderService/Backward") {}

BackwardStream* BackwardStream::Start(ServiceContext& context, grpc::CallbackServerContext* call) {
  const std::shared_ptr<BackwardStream> stream(new BackwardStream(context, call));
  stream->self_ = stream;
  if (stream->scope_.tenant().ok()) {
    stream->StartRead(&stream->message_);
  } else {
    stream->FinishCall(stream->scope_.tenant().status());
  }
  return stream.get();
}

// ---- in: the header, then dL/d(image)

void BackwardStream::OnReadDone(bool ok) {
  absl::Status status;
  if (!ok) {
    // Cancelled or half closed: after this nothing is read any more.
    status = call_->IsCancelled() ? absl::CancelledError("the caller went away") : TakeEnd();
  } else if (tape_ == nullptr) {
    status = message_.has_header() ? TakeHeader(message_.header())
                                   : InvalidField("part", "not a header", "the first message must hold the header");
  } else {
    status = message_.has_adjoint()
                 ? TakeTile(message_.adjoint())
                 : InvalidField("part", "not an adjoint", "after the header every message must hold a tile");
  }
  if (!status.ok()) {
    FinishCall(status);
  } else if (ok) {
    StartRead(&message_);
  }
}

absl::Status BackwardStream::TakeHeader(const v1::BackwardHeader& header) {
  DVREN_ASSIGN_OR_RETURN(std::shared_ptr<const KeptTape> tape, context_.tapes.Use(*scope_.tenant(), header.tape()));
  const Tape& recorded = tape->tape;
  DVREN_ASSIGN_OR_RETURN(wishes_, DecodeGradientRequest(header.want(), recorded.has_rays()));
  const FieldInfo& info = recorded.scene().instances.front().field->info();
  if (wishes_.of_values() && info.parameter_count == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("field = ", tape->field, ": this ", info.type,
                     " field has no values that rays could have a gradient of; ask for neither accumulate nor values"));
  }
  const std::uint64_t ray_bytes =
      static_cast<std::uint64_t>(recorded.width()) * GradientBytesPerRay(wishes_, recorded.plan()->spec().precision);
  if (ray_bytes + kMessageOverhead > context_.config.limits.max_message_bytes) {
    return InvalidField("want.rays", "true",
                        absl::StrCat("the gradients of ", recorded.width(), " rays take ", ray_bytes,
                                     " bytes, more than one message holds; give Forward fewer rays at a time"));
  }
  tape_ = std::move(tape);
  tape_name_ = header.tape();
  keep_tape_ = header.keep_tape();
  scope_.Note({"tape", tape_name_});
  return CheckFresh();
}

absl::Status BackwardStream::TakeTile(const v1::RenderTile& tile) {
  const Precision precision = tape_->tape.plan()->spec().precision;
  if (!adjoint_) {
    DVREN_ASSIGN_OR_RETURN(const std::uint64_t bytes, AdjointImage::BytesFor(tile, tape_->roi(), precision));
    DVREN_ASSIGN_OR_RETURN(adjoint_charge_, context_.gradients.budget().Charge(*scope_.tenant(), bytes, "dL/d(image)"));
    adjoint_.emplace(tape_->roi(), precision);
  }
  context_.metrics.Transferred("in", static_cast<double>(message_.ByteSizeLong()));
  return adjoint_->Add(tile);
}

absl::Status BackwardStream::TakeEnd() {
  if (tape_ == nullptr) return InvalidField("part", "absent", "the first message must hold the header");
  if (!adjoint_) return AdjointImage(tape_->roi(), Precision::kF32).CheckComplete();
  DVREN_RETURN_IF_ERROR(adjoint_->CheckComplete());
  DVREN_RETURN_IF_ERROR(CheckFresh());
  WorkOptions options;
  options.label = "RenderService/Backward";
  options.tenant = *scope_.tenant();
  options.work_class = WorkClass::kInteractive;
  options.deadline = scope_.deadline();
  options.device = tape_->device();
  submitted_ = Clock::now();
  DVREN_ASSIGN_OR_RETURN(const WorkId work, context_.scheduler.Submit(shared_from_this(), std::move(options)));
  bool cancelled = false;
  {
    MutexLock lock(mutex_);
    work_ = work;
    cancelled = cancelled_;
  }
  if (cancelled) context_.scheduler.Cancel(work);  // OnCancel came before there was anything to cancel
  return absl::OkStatus();
}

absl::Status BackwardStream::CheckFresh() const {
  return CheckTapeFresh(context_.fields, tape_name_, *tape_);
}

// ---- the pass

SliceResult BackwardStream::RunSlice(Stream& stream) {
  absl::Status status = pass_ ? RunNext(stream) : Begin(stream);
  if (status.ok() && next_slice_ < pass_->slices()) return SliceResult::kMore;
  if (status.ok()) status = Conclude(stream);
  if (status.ok()) {
    SendNext();
  } else {
    Abort(status);
  }
  return SliceResult::kDone;
}

absl::Status BackwardStream::Begin(Stream& stream) {
  first_slice_ = Clock::now();
  DVREN_RETURN_IF_ERROR(CheckFresh());
  const Tape& recorded = tape_->tape;
  DVREN_ASSIGN_OR_RETURN(ImageAdjoint on_device, UploadAdjoint(stream, recorded, adjoint_->view()));
  adjoint_.reset();  // adjoint_charge_ goes on for the copy on the device
  const FieldKey field{tape_->field, tape_->field_version, tape_->owner};
  DVREN_ASSIGN_OR_RETURN(ValueSum sum, ValueSum::Open(stream, context_.gradients, field,
                                                      recorded.scene().instances.front().field, wishes_));
  sum_.emplace(std::move(sum));
  BackwardRequest request;
  request.values = sum_->tensor();
  request.camera = wishes_.camera;
  request.scene = wishes_.scene;
  request.step = wishes_.step;
  request.rays = wishes_.rays;
  // Shares ownership with what is kept, so that the tape's bytes stay charged.
  std::shared_ptr<const Tape> tape(tape_, &tape_->tape);
  DVREN_ASSIGN_OR_RETURN(pass_, BackwardPass::Make(stream, std::move(tape), std::move(on_device), std::move(request)));
  return absl::OkStatus();
}

absl::Status BackwardStream::RunNext(Stream& stream) {
  DVREN_RETURN_IF_ERROR(CheckFresh());
  const Clock::time_point begin = Clock::now();
  sum_->Begin();
  DVREN_RETURN_IF_ERROR(pass_->RunSlice(stream, next_slice_));
  const Plan& plan = *tape_->tape.plan();
  const Roi tile = tape_->tape.has_rays() ? tape_->roi() : plan.tiles()[next_slice_];
  context_.metrics.Kernel("backward", stream.device()->info().id, static_cast<double>(tile.width) * tile.height, 0,
                          Seconds(Clock::now() - begin));
  ++next_slice_;
  return sum_->Check();
}

absl::Status BackwardStream::Conclude(Stream& stream) {
  DVREN_ASSIGN_OR_RETURN(const Gradients gradients, pass_->Finish(stream));
  context_.metrics.Samples("backward", stream.device()->info().id, static_cast<double>(gradients.stats.samples));
  DVREN_RETURN_IF_ERROR(
      EncodeGradients(stream, gradients, wishes_, tape_->tape, tape_->convention, summary_.mutable_gradients()));
  if (const FieldGradient* gradient = sum_->gradient()) {
    DVREN_ASSIGN_OR_RETURN(values_,
                           GradientValues::Read(stream, *gradient, wishes_.dtype, context_.gradients.budget()));
    EncodeGradientStatistics(values_->Statistics(), summary_.mutable_value_stats());
    if (!wishes_.values) values_.reset();
  }
  EncodeStats(gradients.stats, summary_.mutable_stats());
  summary_.mutable_stats()->set_queue_seconds(Seconds(first_slice_ - submitted_));
  summary_.mutable_stats()->set_total_seconds(Seconds(Clock::now() - scope_.start()));
  summary_.set_request_id(scope_.request_id());
  sum_->Complete();
  pass_.reset();
  sum_.reset();
  adjoint_charge_ = ByteCharge();
  tape_.reset();
  // NOT_FOUND: released or used up by another pass meanwhile, which is what was to be. To use it begins its lease anew.
  if (keep_tape_) {
    static_cast<void>(context_.tapes.Use(*scope_.tenant(), tape_name_));
  } else {
    static_cast<void>(context_.tapes.Release(*scope_.tenant(), tape_name_));
  }
  return absl::OkStatus();
}

void BackwardStream::Abort(const absl::Status& why) {
  if (sum_) sum_->Abandon(why);
  pass_.reset();
  sum_.reset();
  FinishCall(why);
}

// ---- out: values, then the summary

void BackwardStream::SendNext() {
  response_.Clear();
  if (values_ && !values_described_) {
    values_->Describe(response_.mutable_values());
    values_described_ = true;
  } else if (values_ && sent_bytes_ < values_->bytes()) {
    values_->FillChunk(sent_bytes_, response_.mutable_chunk());
    sent_bytes_ += response_.chunk().data().size();
    context_.metrics.Transferred("out", static_cast<double>(response_.chunk().data().size()));
  } else if (!summary_sent_) {
    *response_.mutable_summary() = std::move(summary_);
    summary_sent_ = true;
  } else {
    FinishCall(absl::OkStatus());
    return;
  }
  StartWrite(&response_);
}

void BackwardStream::OnWriteDone(bool ok) {
  if (ok) {
    SendNext();
  } else {
    FinishCall(absl::CancelledError("the caller went away"));
  }
}

void BackwardStream::FinishCall(const absl::Status& status) {
  Finish(scope_.Finish(status));
}

void BackwardStream::OnCancel() {
  std::optional<WorkId> work;
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    work = work_;
  }
  if (work) context_.scheduler.Cancel(*work);
}

void BackwardStream::OnDone() {
  self_.reset();
}

}  // namespace dvren::server
