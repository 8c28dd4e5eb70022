#include "server/services/render_rays_call.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <utility>

#include "dvren/render/renderer.h"
#include "server/codec/sampling_codec.h"
#include "server/metrics/metrics.h"

namespace dvren::server {
namespace {

constexpr std::int64_t kRaysPerSlice = 16384;  // as many as a tile has
static_assert(kMaxRaysToShare <= kRaysPerSlice, "what shares a launch is done in one slice");
constexpr std::uint64_t kMessageOverhead = 4096;  // of the response around its elements

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

const void* Skip(const void* values, std::int64_t elements, std::size_t element_bytes) {
  return values == nullptr ? nullptr
                           : static_cast<const std::byte*>(values) + static_cast<std::size_t>(elements) * element_bytes;
}

}  // namespace

RenderRaysCall::RenderRaysCall(ServiceContext& context, grpc::CallbackServerContext* call,
                               v1::RenderRaysResponse* response)
    : RayWork(context), context_(context), response_(response), scope_(context, call, "RenderService/RenderRays") {}

RenderRaysCall* RenderRaysCall::Start(ServiceContext& context, grpc::CallbackServerContext* call,
                                      const v1::RenderRaysRequest* request, v1::RenderRaysResponse* response) {
  const std::shared_ptr<RenderRaysCall> rays(new RenderRaysCall(context, call, response));
  rays->self_ = rays;
  if (const absl::Status status = rays->Submit(*request); !status.ok()) rays->FinishCall(status);
  return rays.get();
}

absl::Status RenderRaysCall::Submit(const v1::RenderRaysRequest& request) {
  if (!scope_.tenant().ok()) return scope_.tenant().status();
  DVREN_ASSIGN_OR_RETURN(scene_spec_, DecodeScene(request.scene()));
  DVREN_ASSIGN_OR_RETURN(plan_spec_.sampling, DecodeSampling(request.sampling()));
  DVREN_ASSIGN_OR_RETURN(plan_spec_.aovs, DecodeAovs(request.aovs()));
  DVREN_ASSIGN_OR_RETURN(plan_spec_.precision, DecodePrecision(request.precision()));
  plan_spec_.background = scene_spec_.background;
  DVREN_ASSIGN_OR_RETURN(rays_, DecodeRays(request.rays(), plan_spec_.precision));
  const std::uint64_t per_ray = BytesPerPixel(plan_spec_.aovs, plan_spec_.precision);
  const std::uint64_t room = context_.config.limits.max_message_bytes - kMessageOverhead;
  if (static_cast<std::uint64_t>(rays_.count) > room / per_ray) {
    return InvalidField(
        "rays.origins.shape", absl::StrCat("(", rays_.count, ", 3)"),
        absl::StrCat("at most ", room / per_ray, " rays for these images fit one answer; send smaller batches"));
  }
  WorkOptions options;
  options.label = "RenderService/RenderRays";
  options.tenant = *scope_.tenant();
  options.work_class = WorkClass::kInteractive;
  options.deadline = scope_.deadline();
  options.device = request.device();
  ShareLaunch(LaunchKey(request.scene(), request.sampling(), request.aovs(), request.precision()), rays_.count,
              options);
  DVREN_ASSIGN_OR_RETURN(const WorkId work, context_.scheduler.Submit(shared_from_this(), std::move(options)));
  // gRPC calls OnCancel only after this call has returned its reactor: it finds the id.
  MutexLock lock(mutex_);
  work_ = work;
  return absl::OkStatus();
}

SliceResult RenderRaysCall::RunSlice(Stream& stream) {
  absl::Status status = plan_ == nullptr ? Begin(stream) : absl::OkStatus();
  if (status.ok()) status = RenderNext(stream);
  if (status.ok() && next_ray_ < rays_.count) return SliceResult::kMore;
  if (status.ok()) EncodeSummary();
  FinishCall(status);
  return SliceResult::kDone;
}

absl::Status RenderRaysCall::Begin(Stream& stream) {
  first_slice_ = Clock::now();
  DVREN_ASSIGN_OR_RETURN(lease_, AcquireScene(context_.fields, stream, *scope_.tenant(), scene_spec_));
  DVREN_RETURN_IF_ERROR(ValidateScene(lease_.scene));
  if (plan_spec_.sampling.dt == 0) plan_spec_.sampling.dt = DefaultStep(lease_.scene);
  DVREN_ASSIGN_OR_RETURN(plan_, stream.device()->plans().Get(stream.device(), plan_spec_));
  if (rays_.ids == nullptr && rays_.count > kRaysPerSlice) {
    ids_.resize(static_cast<std::size_t>(rays_.count));
    std::iota(ids_.begin(), ids_.end(), std::int64_t{0});
    rays_.ids = ids_.data();
  }
  for (const AovChannel& channel : ChannelsOf(plan_spec_.aovs)) {
    images_.push_back(AddImage(channel, plan_spec_.precision, {rays_.count}, response_->mutable_images()));
  }
  return absl::OkStatus();
}

absl::Status RenderRaysCall::RenderNext(Stream& stream) {
  const std::size_t element = DTypeSize(DTypeOf(plan_spec_.precision));
  RayBatch slice;
  slice.count = std::min(kRaysPerSlice, rays_.count - next_ray_);
  slice.origins = Skip(rays_.origins, 3 * next_ray_, element);
  slice.directions = Skip(rays_.directions, 3 * next_ray_, element);
  slice.t_near = Skip(rays_.t_near, next_ray_, element);
  slice.t_far = Skip(rays_.t_far, next_ray_, element);
  slice.ids = rays_.ids == nullptr ? nullptr : rays_.ids + next_ray_;
  DVREN_ASSIGN_OR_RETURN(const Frame frame, Renderer().RenderRays(stream, *plan_, lease_.scene, slice));
  const std::vector<AovChannel> channels = ChannelsOf(plan_spec_.aovs);
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const std::size_t at =
        static_cast<std::size_t>(next_ray_) * static_cast<std::size_t>(channels[i].channels) * element;
    DVREN_RETURN_IF_ERROR((frame.*channels[i].image).CopyToHost(stream, images_[i]->data() + at));
  }
  context_.metrics.Kernel("render_rays", stream.device()->info().id, static_cast<double>(frame.stats.rays),
                          static_cast<double>(frame.stats.samples), frame.stats.wall_seconds);
  context_.metrics.LaunchRays(static_cast<double>(slice.count));
  launch_rays_ = slice.count;
  stats_ += frame.stats;
  next_ray_ += slice.count;
  return absl::OkStatus();
}

void RenderRaysCall::Take(const RayAnswer& answer) {
  first_slice_ = answer.begin;
  plan_spec_ = answer.plan;
  stats_ = answer.stats;
  launch_rays_ = answer.launch_rays;
  const std::vector<AovChannel> channels = ChannelsOf(plan_spec_.aovs);
  for (std::size_t i = 0; i < channels.size(); ++i) {
    std::string* elements = AddImage(channels[i], plan_spec_.precision, {rays_.count}, response_->mutable_images());
    std::memcpy(elements->data(), answer.images[i], elements->size());
  }
  EncodeSummary();
  FinishCall(absl::OkStatus());
}

void RenderRaysCall::EncodeSummary() {
  EncodeStats(stats_, response_->mutable_stats());
  response_->mutable_stats()->set_launch_rays(launch_rays_);
  response_->mutable_stats()->set_queue_seconds(Seconds(first_slice_ - scope_.start()));
  response_->mutable_stats()->set_total_seconds(Seconds(Clock::now() - scope_.start()));
  for (std::string& warning : WarningsOf(stats_, plan_spec_.sampling)) response_->add_warnings(std::move(warning));
  response_->set_request_id(scope_.request_id());
}

void RenderRaysCall::Abort(const absl::Status& why) {
  FinishCall(why);
}

void RenderRaysCall::FinishCall(const absl::Status& status) {
  Finish(scope_.Finish(status));
}

void RenderRaysCall::OnCancel() {
  std::optional<WorkId> work;
  {
    MutexLock lock(mutex_);
    work = work_;
  }
  if (work) context_.scheduler.Cancel(*work);
}

void RenderRaysCall::OnDone() {
  self_.reset();
}

}  // namespace dvren::server
