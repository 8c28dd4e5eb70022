#include "server/services/render_stream.h"

#include <utility>

#include "server/codec/tensor_codec.h"
#include "server/metrics/metrics.h"

namespace dvren::server {
namespace {

constexpr std::size_t kMaxOutbound = 4;  // messages that wait for the caller: some 1 MiB

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

RenderStream::RenderStream(ServiceContext& context, grpc::CallbackServerContext* call)
    : context_(context), scope_(context, call, "RenderService/Render") {}

RenderStream* RenderStream::Start(ServiceContext& context, grpc::CallbackServerContext* call,
                                  const v1::RenderRequest& request) {
  const std::shared_ptr<RenderStream> stream(new RenderStream(context, call));
  stream->self_ = stream;
  if (const absl::Status status = stream->Submit(request); !status.ok()) stream->FinishCall(status);
  return stream.get();
}

absl::Status RenderStream::Submit(const v1::RenderRequest& request) {
  if (!scope_.tenant().ok()) return scope_.tenant().status();
  DVREN_ASSIGN_OR_RETURN(spec_, DecodeRenderRequest(request, context_.config.limits.max_image_edge));
  WorkOptions options;
  options.label = "RenderService/Render";
  options.tenant = *scope_.tenant();
  options.work_class = WorkClass::kInteractive;
  options.deadline = scope_.deadline();
  options.device = request.device();
  DVREN_ASSIGN_OR_RETURN(const WorkId work, context_.scheduler.Submit(shared_from_this(), std::move(options)));
  // gRPC calls back only after this call has returned its reactor: whoever needs the id finds it.
  MutexLock lock(mutex_);
  work_ = work;
  return absl::OkStatus();
}

SliceResult RenderStream::RunSlice(Stream& stream) {
  if (ShouldPark()) return SliceResult::kParked;
  const absl::Status status = plan_ ? RenderNext(stream) : Begin(stream);
  if (!status.ok()) {
    End(status);
    return SliceResult::kDone;
  }
  if (next_tile_ < plan_->tiles()) return SliceResult::kMore;
  PushSummary();
  End(absl::OkStatus());
  return SliceResult::kDone;
}

absl::Status RenderStream::Begin(Stream& stream) {
  first_slice_ = Clock::now();
  DVREN_ASSIGN_OR_RETURN(plan_, RenderPlan::Make(context_.fields, stream, *scope_.tenant(), spec_,
                                                 context_.config.limits.max_message_bytes));
  auto message = std::make_unique<v1::RenderResponse>();
  plan_->EncodeHeader(message->mutable_header());
  message->mutable_header()->set_request_id(scope_.request_id());
  message->mutable_header()->set_device(stream.device()->info().id);
  Push(std::move(message));
  return absl::OkStatus();
}

absl::Status RenderStream::RenderNext(Stream& stream) {
  auto message = std::make_unique<v1::RenderResponse>();
  RenderStats tile;
  DVREN_RETURN_IF_ERROR(plan_->RenderTile(stream, next_tile_, message->mutable_tile(), tile));
  context_.metrics.Kernel("render", stream.device()->info().id, static_cast<double>(tile.rays),
                          static_cast<double>(tile.samples), tile.wall_seconds);
  stats_ += tile;
  ++next_tile_;
  Push(std::move(message));
  return absl::OkStatus();
}

void RenderStream::PushSummary() {
  auto message = std::make_unique<v1::RenderResponse>();
  v1::RenderSummary* summary = message->mutable_summary();
  EncodeStats(stats_, summary->mutable_stats());
  summary->mutable_stats()->set_queue_seconds(Seconds(first_slice_ - scope_.start()));
  summary->mutable_stats()->set_total_seconds(Seconds(Clock::now() - scope_.start()));
  for (std::string& warning : WarningsOf(stats_, plan_->spec().sampling)) summary->add_warnings(std::move(warning));
  summary->set_field_version(plan_->field_version());
  Push(std::move(message));
}

void RenderStream::Abort(const absl::Status& why) {
  End(why);
}

void RenderStream::Push(std::unique_ptr<v1::RenderResponse> message) {
  const v1::RenderResponse* write = nullptr;
  {
    MutexLock lock(mutex_);
    if (broken_) return;
    outbound_.push_back(std::move(message));
    if (outbound_.size() == 1) write = outbound_.front().get();
  }
  if (write != nullptr) StartWrite(write);
}

bool RenderStream::ShouldPark() {
  MutexLock lock(mutex_);
  parked_ = outbound_.size() >= kMaxOutbound && !broken_;
  return parked_;
}

void RenderStream::OnWriteDone(bool ok) {
  const v1::RenderResponse* write = nullptr;
  std::optional<absl::Status> finish;
  std::optional<WorkId> unpark;
  double sent = 0;
  {
    MutexLock lock(mutex_);
    sent = static_cast<double>(outbound_.front()->ByteSizeLong());
    outbound_.pop_front();
    if (!ok) {
      broken_ = true;
      outbound_.clear();
    }
    if (!outbound_.empty()) {
      write = outbound_.front().get();
    } else {
      finish = ended_;
    }
    if (parked_) {
      parked_ = false;
      unpark = work_;
    }
  }
  if (ok) context_.metrics.Transferred("out", sent);
  if (write != nullptr) StartWrite(write);
  if (unpark) context_.scheduler.Unpark(*unpark);
  if (finish) {
    FinishCall(*finish);
  } else if (!ok) {
    CancelWork();
  }
}

void RenderStream::End(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    ended_ = status;
    // The message being written cannot be taken back; the rest is of no use after an error.
    if (!status.ok() && outbound_.size() > 1) outbound_.erase(outbound_.begin() + 1, outbound_.end());
    if (!outbound_.empty()) return;  // OnWriteDone finishes
  }
  FinishCall(status);
}

void RenderStream::FinishCall(const absl::Status& status) {
  Finish(scope_.Finish(status));
}

void RenderStream::CancelWork() {
  std::optional<WorkId> work;
  {
    MutexLock lock(mutex_);
    work = work_;
  }
  if (work) context_.scheduler.Cancel(*work);
}

void RenderStream::OnCancel() {
  CancelWork();
}

void RenderStream::OnDone() {
  self_.reset();
}

}  // namespace dvren::server
