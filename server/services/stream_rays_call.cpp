#include "server/services/stream_rays_call.h"

#include <cstring>
#include <utility>

#include "dvren/diff/backward.h"
#include "dvren/render/renderer.h"
#include "server/codec/sampling_codec.h"
#include "server/metrics/metrics.h"
#include "server/services/value_sum.h"

namespace dvren::server {
namespace {

constexpr std::uint64_t kMessageOverhead = 4096;  // of the response around its elements

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

bool Wants(const v1::GradientRequest& want) {
  return want.accumulate() || want.values() || want.camera() || want.scene() || want.step() || want.rays();
}

}  // namespace

StreamRaysCall::StreamRaysCall(ServiceContext& context, grpc::CallbackServerContext* call)
    : RayWork(context), context_(context), call_(call), scope_(context, call, "RenderService/StreamRays") {}

StreamRaysCall* StreamRaysCall::Start(ServiceContext& context, grpc::CallbackServerContext* call) {
  const std::shared_ptr<StreamRaysCall> rays(new StreamRaysCall(context, call));
  rays->self_ = rays;
  if (rays->scope_.tenant().ok()) {
    rays->StartRead(&rays->message_);
  } else {
    rays->FinishCall(rays->scope_.tenant().status());
  }
  return rays.get();
}

void StreamRaysCall::OnReadDone(bool ok) {
  if (!ok) {
    if (call_->IsCancelled()) {
      FinishCall(absl::CancelledError("the caller went away"));
    } else {
      FinishCall(begun_ ? absl::OkStatus() : InvalidField("part", "absent", "the first message must hold the header"));
    }
    return;
  }
  absl::Status status;
  const bool header = !begun_;
  if (header) {
    status = message_.has_header() ? TakeHeader(message_.header())
                                   : InvalidField("part", "not a header", "the first message must hold the header");
  } else {
    status = message_.has_batch()
                 ? TakeBatch(message_.batch())
                 : InvalidField("part", "not a batch", "after the header every message must hold a batch");
  }
  if (!status.ok()) {
    FinishCall(status);
  } else if (header) {
    StartRead(&message_);
  }
}

absl::Status StreamRaysCall::TakeHeader(const v1::StreamRaysHeader& header) {
  DVREN_ASSIGN_OR_RETURN(scene_, DecodeScene(header.scene()));
  DVREN_ASSIGN_OR_RETURN(plan_.sampling, DecodeSampling(header.sampling()));
  DVREN_ASSIGN_OR_RETURN(plan_.aovs, DecodeAovs(header.aovs()));
  DVREN_ASSIGN_OR_RETURN(plan_.precision, DecodePrecision(header.precision()));
  plan_.background = scene_.background;
  device_ = header.device();
  if (header.want().values()) {
    return InvalidField("want.values", "true", "is not streamed here; ask for accumulate and DownloadField");
  }
  if (Wants(header.want())) {
    DVREN_ASSIGN_OR_RETURN(wishes_, DecodeGradientRequest(header.want(), /*of_rays=*/true));
  }
  key_ = LaunchKey(header.scene(), header.sampling(), header.aovs(), header.precision());
  begun_ = true;
  return absl::OkStatus();
}

absl::Status StreamRaysCall::TakeBatch(const v1::RayBatch& batch) {
  received_ = Clock::now();
  context_.metrics.Transferred("in", static_cast<double>(message_.ByteSizeLong()));
  DVREN_ASSIGN_OR_RETURN(rays_, DecodeRays(batch.rays(), plan_.precision));
  backward_ = batch.adjoints_size() > 0;
  if (backward_) {
    if (!wishes_) {
      return InvalidField("batch.adjoints", absl::StrCat(batch.adjoints_size(), " images"),
                          "the header wants no gradients; ask for some, or send none");
    }
    DVREN_ASSIGN_OR_RETURN(adjoint_, DecodeRayAdjoints(batch.adjoints(), rays_.count, plan_.precision));
  }
  const std::uint64_t per_ray =
      BytesPerPixel(plan_.aovs, plan_.precision) + (backward_ ? GradientBytesPerRay(*wishes_, plan_.precision) : 0);
  const std::uint64_t room = context_.config.limits.max_message_bytes - kMessageOverhead;
  if (static_cast<std::uint64_t>(rays_.count) > room / per_ray) {
    return InvalidField("rays.origins.shape", absl::StrCat("(", rays_.count, ", 3)"),
                        absl::StrCat("at most ", room / per_ray,
                                     " rays of these images and gradients fit one answer; send smaller ", "batches"));
  }
  WorkOptions options;
  options.label = "RenderService/StreamRays";
  options.tenant = *scope_.tenant();
  options.work_class = WorkClass::kInteractive;
  options.deadline = scope_.deadline();
  options.device = device_;
  if (!backward_) ShareLaunch(key_, rays_.count, options);
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

SliceResult StreamRaysCall::RunSlice(Stream& stream) {
  const absl::Status status = RunBatch(stream);
  if (status.ok()) {
    StartWrite(&response_);
  } else {
    FinishCall(status);
  }
  return SliceResult::kDone;
}

void StreamRaysCall::Take(const RayAnswer& answer) {
  first_slice_ = answer.begin;
  device_ = answer.device;
  response_.Clear();
  const std::vector<AovChannel> channels = ChannelsOf(answer.plan.aovs);
  for (std::size_t i = 0; i < channels.size(); ++i) {
    std::string* elements = AddImage(channels[i], answer.plan.precision, {rays_.count}, response_.mutable_images());
    std::memcpy(elements->data(), answer.images[i], elements->size());
  }
  Respond(answer.stats, answer.launch_rays);
  StartWrite(&response_);
}

void StreamRaysCall::Respond(const RenderStats& stats, std::int64_t launch_rays) {
  EncodeStats(stats, response_.mutable_stats());
  response_.mutable_stats()->set_launch_rays(launch_rays);
  response_.mutable_stats()->set_queue_seconds(Seconds(first_slice_ - received_));
  response_.mutable_stats()->set_total_seconds(Seconds(Clock::now() - received_));
  response_.set_request_id(scope_.request_id());
}

absl::Status StreamRaysCall::RunBatch(Stream& stream) {
  first_slice_ = Clock::now();
  response_.Clear();
  const std::string& device = stream.device()->info().id;
  device_ = device;
  // Each batch sees the field as it is when its turn comes, unless the scene names a version.
  DVREN_ASSIGN_OR_RETURN(const SceneLease lease, AcquireScene(context_.fields, stream, *scope_.tenant(), scene_));
  DVREN_RETURN_IF_ERROR(ValidateScene(lease.scene));
  PlanSpec spec = plan_;
  if (spec.sampling.dt == 0) spec.sampling.dt = DefaultStep(lease.scene);
  DVREN_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan, stream.device()->plans().Get(stream.device(), spec));
  const Renderer renderer;
  Frame frame;
  RenderStats stats;
  if (backward_) {
    DVREN_ASSIGN_OR_RETURN(Tape tape, renderer.ForwardRays(stream, std::move(plan), lease.scene, rays_, frame));
    stats = frame.stats;
    DVREN_RETURN_IF_ERROR(RunBackward(stream, lease, std::move(tape), stats));
  } else {
    DVREN_ASSIGN_OR_RETURN(frame, renderer.RenderRays(stream, *plan, lease.scene, rays_));
    stats = frame.stats;
  }
  context_.metrics.Kernel(backward_ ? "forward" : "render_rays", device, static_cast<double>(frame.stats.rays),
                          static_cast<double>(frame.stats.samples), frame.stats.wall_seconds);
  for (const AovChannel& channel : ChannelsOf(spec.aovs)) {
    std::string* elements = AddImage(channel, spec.precision, {rays_.count}, response_.mutable_images());
    DVREN_RETURN_IF_ERROR((frame.*channel.image).CopyToHost(stream, elements->data()));
  }
  context_.metrics.LaunchRays(static_cast<double>(rays_.count));
  Respond(stats, rays_.count);
  return absl::OkStatus();
}

absl::Status StreamRaysCall::RunBackward(Stream& stream, const SceneLease& lease, Tape tape, RenderStats& stats) {
  const auto recorded = std::make_shared<const Tape>(std::move(tape));
  DVREN_ASSIGN_OR_RETURN(ImageAdjoint on_device, UploadAdjoint(stream, *recorded, adjoint_));
  DVREN_ASSIGN_OR_RETURN(ValueSum sum, ValueSum::Open(stream, context_.gradients, lease.field,
                                                      lease.scene.instances.front().field, *wishes_));
  BackwardRequest request;
  request.values = sum.tensor();
  request.scene = wishes_->scene;
  request.step = wishes_->step;
  request.rays = wishes_->rays;
  const auto run = [&]() -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(BackwardPass pass,
                           BackwardPass::Make(stream, recorded, std::move(on_device), std::move(request)));
    sum.Begin();
    for (std::size_t i = 0; i < pass.slices(); ++i) DVREN_RETURN_IF_ERROR(pass.RunSlice(stream, i));
    DVREN_RETURN_IF_ERROR(sum.Check());
    DVREN_ASSIGN_OR_RETURN(const Gradients gradients, pass.Finish(stream));
    context_.metrics.Kernel("backward", stream.device()->info().id, static_cast<double>(gradients.stats.rays),
                            static_cast<double>(gradients.stats.samples), gradients.stats.wall_seconds);
    stats.samples += gradients.stats.samples;
    stats.wall_seconds += gradients.stats.wall_seconds;
    return EncodeGradients(stream, gradients, *wishes_, *recorded, v1::AXIS_CONVENTION_OPENCV,
                           response_.mutable_gradients());
  };
  const absl::Status status = run();
  if (status.ok()) {
    sum.Complete();
  } else {
    sum.Abandon(status);
  }
  return status;
}

void StreamRaysCall::Abort(const absl::Status& why) {
  FinishCall(why);
}

void StreamRaysCall::OnWriteDone(bool ok) {
  if (!ok) {
    FinishCall(absl::CancelledError("the caller went away"));
    return;
  }
  context_.metrics.Transferred("out", static_cast<double>(response_.ByteSizeLong()));
  StartRead(&message_);
}

void StreamRaysCall::FinishCall(const absl::Status& status) {
  Finish(scope_.Finish(status));
}

void StreamRaysCall::OnCancel() {
  std::optional<WorkId> work;
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    work = work_;
  }
  if (work) context_.scheduler.Cancel(*work);
}

void StreamRaysCall::OnDone() {
  self_.reset();
}

}  // namespace dvren::server
