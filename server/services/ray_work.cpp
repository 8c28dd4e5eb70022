#include "server/services/ray_work.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "hotpath/hp.h"
#include "server/app/service_context.h"
#include "server/metrics/metrics.h"

namespace dvren::server {
namespace {

// The rays of many requests, one after the other, with what each left out filled in.
class GatheredRays {
 public:
  GatheredRays(std::int64_t count, Precision precision)
      : element_(DTypeSize(DTypeOf(precision))), precision_(precision) {
    const auto n = static_cast<std::size_t>(count);
    origins_.resize(3 * n * element_);
    directions_.resize(3 * n * element_);
    t_near_.resize(n * element_);
    t_far_.resize(n * element_);
    ids_.resize(n);
  }
  void Add(const RayBatch& rays) {
    const auto n = static_cast<std::size_t>(rays.count);
    std::memcpy(&origins_[3 * count_ * element_], rays.origins, 3 * n * element_);
    std::memcpy(&directions_[3 * count_ * element_], rays.directions, 3 * n * element_);
    Fill(t_near_, rays.t_near, n, 0);
    Fill(t_far_, rays.t_far, n, std::numeric_limits<double>::infinity());
    for (std::size_t i = 0; i < n; ++i) {
      ids_[count_ + i] = rays.ids != nullptr ? rays.ids[i] : static_cast<std::int64_t>(i);
    }
    count_ += n;
  }
  [[nodiscard]] RayBatch batch() const {
    RayBatch batch;
    batch.count = static_cast<std::int64_t>(count_);
    batch.origins = origins_.data();
    batch.directions = directions_.data();
    batch.t_near = t_near_.data();
    batch.t_far = t_far_.data();
    batch.ids = ids_.data();
    batch.count_each = true;
    return batch;
  }

 private:
  void Fill(std::vector<std::byte>& to, const void* from, std::size_t n, double otherwise) const {
    std::byte* const at = &to[count_ * element_];
    if (from != nullptr) {
      std::memcpy(at, from, n * element_);
    } else if (precision_ == Precision::kF64) {
      std::fill_n(reinterpret_cast<double*>(at), n, otherwise);
    } else {
      std::fill_n(reinterpret_cast<float*>(at), n, static_cast<float>(otherwise));
    }
  }
  const std::size_t element_;
  const Precision precision_;
  std::size_t count_ = 0;
  std::vector<std::byte> origins_, directions_, t_near_, t_far_;
  std::vector<std::int64_t> ids_;
};

// Of rays [first, first + count), from counts (N, 2): samples, hp_ray_end.
RenderStats StatsOf(const std::vector<std::int32_t>& counts, std::size_t first, std::size_t count) {
  RenderStats stats;
  stats.rays = static_cast<std::int64_t>(count);
  for (std::size_t i = first; i < first + count; ++i) {
    stats.samples += counts[2 * i];
    stats.early_stopped += counts[2 * i + 1] == HP_RAY_STOPPED ? 1 : 0;
    stats.truncated += counts[2 * i + 1] == HP_RAY_TRUNCATED ? 1 : 0;
  }
  return stats;
}

}  // namespace

void RayWork::ShareLaunch(const std::string& key, std::int64_t rays, WorkOptions& options) {
  if (rays > kMaxRaysToShare) return;
  options.batch = key;
  options.batch_size = rays;
}

void RayWork::RunTogether(Stream& stream, const std::vector<std::shared_ptr<Work>>& others) {
  std::vector<RayWork*> all{this};
  for (const std::shared_ptr<Work>& other : others) all.push_back(static_cast<RayWork*>(other.get()));
  if (Launch(stream, all).ok()) return;
  // What is wrong with one is no error of another's: each alone has its own answer.
  for (RayWork* const work : all) work->RunSlice(stream);
}

absl::Status RayWork::Launch(Stream& stream, const std::vector<RayWork*>& all) {
  RayAnswer answer;
  answer.begin = Clock::now();
  answer.device = stream.device()->info().id;
  answer.plan = asked().plan;
  for (const RayWork* const work : all) answer.launch_rays += work->asked().rays.count;
  DVREN_ASSIGN_OR_RETURN(const SceneLease lease,
                         AcquireScene(ray_context_.fields, stream, asked().tenant, asked().scene));
  DVREN_RETURN_IF_ERROR(ValidateScene(lease.scene));
  if (answer.plan.sampling.dt == 0) answer.plan.sampling.dt = DefaultStep(lease.scene);
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<const Plan> plan,
                         stream.device()->plans().Get(stream.device(), answer.plan));
  GatheredRays rays(answer.launch_rays, answer.plan.precision);
  for (const RayWork* const work : all) rays.Add(work->asked().rays);
  DVREN_ASSIGN_OR_RETURN(const Frame frame, Renderer().RenderRays(stream, *plan, lease.scene, rays.batch()));

  const std::size_t element = DTypeSize(DTypeOf(answer.plan.precision));
  const std::vector<AovChannel> channels = ChannelsOf(answer.plan.aovs);
  std::vector<std::vector<std::byte>> images;
  for (const AovChannel& channel : channels) {
    images.emplace_back(static_cast<std::size_t>(answer.launch_rays) * static_cast<std::size_t>(channel.channels) *
                        element);
    DVREN_RETURN_IF_ERROR((frame.*channel.image).CopyToHost(stream, images.back().data()));
  }
  std::vector<std::int32_t> counts(2 * static_cast<std::size_t>(answer.launch_rays));
  DVREN_RETURN_IF_ERROR(frame.counts.CopyToHost(stream, counts.data()));
  ray_context_.metrics.Kernel("render_rays", answer.device, static_cast<double>(frame.stats.rays),
                              static_cast<double>(frame.stats.samples), frame.stats.wall_seconds);
  ray_context_.metrics.LaunchRays(static_cast<double>(answer.launch_rays));

  std::size_t first = 0;
  for (RayWork* const work : all) {
    const auto count = static_cast<std::size_t>(work->asked().rays.count);
    answer.images.clear();
    for (std::size_t i = 0; i < channels.size(); ++i) {
      answer.images.push_back(images[i].data() + first * static_cast<std::size_t>(channels[i].channels) * element);
    }
    answer.stats = StatsOf(counts, first, count);
    answer.stats.wall_seconds = frame.stats.wall_seconds;
    work->Take(answer);
    first += count;
  }
  return absl::OkStatus();
}

std::string LaunchKey(const v1::Scene& scene, const v1::Sampling& sampling,
                      const google::protobuf::RepeatedField<int>& aovs, v1::Precision precision) {
  v1::StreamRaysHeader key;
  *key.mutable_scene() = scene;
  *key.mutable_sampling() = sampling;
  *key.mutable_aovs() = aovs;
  key.set_precision(precision);
  return absl::StrCat("rays ", key.SerializeAsString());
}

}  // namespace dvren::server
