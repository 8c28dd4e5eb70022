#include "server/services/render_stream.h"

#include <utility>

#include "server/codec/tensor_codec.h"
#include "server/metrics/metrics.h"
#include "server/registries/session_registry.h"
#include "server/services/session_lease.h"

namespace dvren::server {
namespace {

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

RenderStream::RenderStream(ServiceContext& context, grpc::CallbackServerContext* call)
    : ParkingStream(context, call, "RenderService/Render") {}

RenderStream* RenderStream::Start(ServiceContext& context, grpc::CallbackServerContext* call,
                                  const v1::RenderRequest& request) {
  return ParkingStream::Begin(std::shared_ptr<RenderStream>(new RenderStream(context, call)),
                              [&](RenderStream& stream) { return stream.Submit(request); });
}

absl::Status RenderStream::Submit(const v1::RenderRequest& request) {
  DVREN_ASSIGN_OR_RETURN(spec_, DecodeRenderRequest(request, context_.config.limits.max_image_edge));
  std::string device = request.device();
  for (const InstanceSpec& instance : spec_.scene.instances) {
    if (!IsSessionName(instance.field)) continue;
    // Where its field is; another device would have to copy it.
    DVREN_ASSIGN_OR_RETURN(const auto session, context_.sessions.Find(*scope_.tenant(), instance.field));
    if (device.empty()) device = session->device();
  }
  return ParkingStream::Submit(device);
}

SliceResult RenderStream::RunSlice(Stream& stream) {
  if (ShouldPark()) return SliceResult::kParked;
  const absl::Status status = plan_ ? RenderNext(stream) : Begin(stream);
  if (!status.ok()) {
    plan_.reset();  // a session that waits for this render can train again
    End(status);
    return SliceResult::kDone;
  }
  if (next_tile_ < plan_->tiles()) return SliceResult::kMore;
  PushSummary();
  plan_.reset();
  End(absl::OkStatus());
  return SliceResult::kDone;
}

void RenderStream::Abort(const absl::Status& why) {
  plan_.reset();
  End(why);
}

absl::Status RenderStream::Begin(Stream& stream) {
  first_slice_ = Clock::now();
  DVREN_ASSIGN_OR_RETURN(plan_, RenderPlan::Make(context_.fields, stream, *scope_.tenant(), spec_,
                                                 context_.config.limits.max_message_bytes, &context_.sessions));
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

}  // namespace dvren::server
