#include "render/staged_path.h"

#include <algorithm>
#include <array>

namespace dvren::internal {
namespace {

using Shape = std::initializer_list<std::int64_t>;

DType DTypeOf(Precision precision) {
  return precision == Precision::kF64 ? DType::kF64 : DType::kF32;
}

absl::StatusOr<Tensor> Make(Stream& stream, DType dtype, Shape shape) {
  return Tensor::Allocate(stream, dtype, std::span(shape.begin(), shape.size()));
}

// An op's workspace, kept for the chunks after and grown where one needs more.
class Workspace {
 public:
  [[nodiscard]] absl::StatusOr<hp_workspace> Reserve(Stream& stream, std::size_t bytes) {
    if (buffer_.size() < bytes) {
      buffer_ = Buffer();
      DVREN_ASSIGN_OR_RETURN(buffer_, Buffer::Allocate(stream, bytes));
    }
    return hp_workspace{buffer_.data(), buffer_.size()};
  }

 private:
  Buffer buffer_;
};

struct Samples {
  Tensor t, dt, sigma, rgb, count;
  static absl::StatusOr<Samples> Allocate(Stream& stream, DType dtype, std::int64_t rays, std::int64_t samples) {
    Samples s;
    DVREN_ASSIGN_OR_RETURN(s.t, Make(stream, dtype, {rays, samples}));
    DVREN_ASSIGN_OR_RETURN(s.dt, Make(stream, dtype, {rays, samples}));
    DVREN_ASSIGN_OR_RETURN(s.sigma, Make(stream, dtype, {rays, samples}));
    DVREN_ASSIGN_OR_RETURN(s.rgb, Make(stream, dtype, {rays, samples, 3}));
    DVREN_ASSIGN_OR_RETURN(s.count, Make(stream, DType::kI32, {rays}));
    return s;
  }
  [[nodiscard]] hp_samp_t view(std::int64_t rays) const {
    hp_samp_t out{};
    HP_INIT(out);
    out.t = Narrow(t.view(), 0, 0, rays);
    out.dt = Narrow(dt.view(), 0, 0, rays);
    out.sigma = Narrow(sigma.view(), 0, 0, rays);
    out.rgb = Narrow(rgb.view(), 0, 0, rays);
    out.count = Narrow(count.view(), 0, 0, rays);
    return out;
  }
};

struct Integrals {
  Tensor rgb, transmittance, opacity, depth, distortion;
  static absl::StatusOr<Integrals> Allocate(Stream& stream, DType dtype, std::int64_t rays, bool with_distortion) {
    Integrals i;
    DVREN_ASSIGN_OR_RETURN(i.rgb, Make(stream, dtype, {rays, 3}));
    DVREN_ASSIGN_OR_RETURN(i.transmittance, Make(stream, dtype, {rays}));
    DVREN_ASSIGN_OR_RETURN(i.opacity, Make(stream, dtype, {rays}));
    DVREN_ASSIGN_OR_RETURN(i.depth, Make(stream, dtype, {rays}));
    if (with_distortion) {
      DVREN_ASSIGN_OR_RETURN(i.distortion, Make(stream, dtype, {rays}));
    }
    return i;
  }
  [[nodiscard]] hp_intl_t view(std::int64_t begin, std::int64_t extent) const {
    hp_intl_t out{};
    HP_INIT(out);
    out.rgb = Narrow(rgb.view(), 0, begin, extent);
    out.transmittance = Narrow(transmittance.view(), 0, begin, extent);
    out.opacity = Narrow(opacity.view(), 0, begin, extent);
    out.depth = Narrow(depth.view(), 0, begin, extent);
    if (distortion.defined()) out.distortion = Narrow(distortion.view(), 0, begin, extent);
    return out;
  }
};

}  // namespace

absl::StatusOr<DeviceRays> DeviceRays::Allocate(Stream& stream, Precision precision, std::int64_t count) {
  const DType dtype = DTypeOf(precision);
  DeviceRays rays;
  DVREN_ASSIGN_OR_RETURN(rays.origins, Make(stream, dtype, {count, 3}));
  DVREN_ASSIGN_OR_RETURN(rays.directions, Make(stream, dtype, {count, 3}));
  DVREN_ASSIGN_OR_RETURN(rays.t_near, Make(stream, dtype, {count}));
  DVREN_ASSIGN_OR_RETURN(rays.t_far, Make(stream, dtype, {count}));
  DVREN_ASSIGN_OR_RETURN(rays.ids, Make(stream, DType::kI64, {count}));
  return rays;
}

hp_rays_t DeviceRays::view(std::int64_t begin, std::int64_t extent) const {
  hp_rays_t out{};
  HP_INIT(out);
  out.origins = Narrow(origins.view(), 0, begin, extent);
  out.directions = Narrow(directions.view(), 0, begin, extent);
  out.t_near = Narrow(t_near.view(), 0, begin, extent);
  out.t_far = Narrow(t_far.view(), 0, begin, extent);
  out.ids = Narrow(ids.view(), 0, begin, extent);
  return out;
}

absl::Status RenderStaged(Stream& stream, const Plan& plan, const hp_instance& instance, const Roi& roi,
                          const hp_img_t& images, hp_tensor counters) {
  const hp_roi pixels{roi.x, roi.y, roi.width, roi.height};
  const std::int64_t count = std::int64_t{roi.width} * roi.height;
  DVREN_ASSIGN_OR_RETURN(DeviceRays rays, DeviceRays::Allocate(stream, plan.spec().precision, count));
  std::size_t bytes = 0;
  DVREN_RETURN_IF_ERROR(FromHp(hp_ray_workspace_size(plan.hp(), pixels, &bytes)));
  Workspace workspace;
  DVREN_ASSIGN_OR_RETURN(const hp_workspace memory, workspace.Reserve(stream, bytes));
  const hp_rays_t view = rays.view(0, count);
  DVREN_RETURN_IF_ERROR(FromHp(hp_ray(stream.hp(), plan.hp(), pixels, &view, counters, memory)));
  return RenderStaged(stream, plan, instance, rays, images, counters);
}

absl::Status RenderStaged(Stream& stream, const Plan& plan, const hp_instance& instance, const DeviceRays& rays,
                          const hp_img_t& images, hp_tensor counters) {
  const DType dtype = DTypeOf(plan.spec().precision);
  const std::int64_t count = rays.count();
  const hp_rays_t all = rays.view(0, count);
  std::int64_t samples_per_ray = 0;
  DVREN_RETURN_IF_ERROR(FromHp(hp_samp_max_count(stream.hp(), plan.hp(), &instance, 1, &all, &samples_per_ray)));
  samples_per_ray = std::max<std::int64_t>(samples_per_ray, 1);  // rays that all miss still have counts, all zero
  // t, dt, sigma and three colours per sample.
  const std::size_t ray_bytes = static_cast<std::size_t>(samples_per_ray) * 6 * DTypeSize(dtype);
  const auto chunk = std::clamp<std::int64_t>(static_cast<std::int64_t>(kStagedSampleBytes / ray_bytes), 1, count);
  std::size_t samp_bytes = 0, int_bytes = 0, img_bytes = 0;
  DVREN_RETURN_IF_ERROR(FromHp(hp_samp_workspace_size(plan.hp(), chunk, samples_per_ray, &samp_bytes)));
  DVREN_RETURN_IF_ERROR(FromHp(hp_int_workspace_size(plan.hp(), chunk, samples_per_ray, &int_bytes)));
  DVREN_RETURN_IF_ERROR(FromHp(hp_img_workspace_size(plan.hp(), count, &img_bytes)));
  Workspace workspace;
  DVREN_ASSIGN_OR_RETURN(const hp_workspace memory,
                         workspace.Reserve(stream, std::max({samp_bytes, int_bytes, img_bytes})));
  DVREN_ASSIGN_OR_RETURN(const Samples samples, Samples::Allocate(stream, dtype, chunk, samples_per_ray));
  DVREN_ASSIGN_OR_RETURN(const Integrals integrals,
                         Integrals::Allocate(stream, dtype, count, images.distortion.data != nullptr));
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    const std::int64_t extent = std::min(chunk, count - begin);
    const hp_rays_t rays_view = rays.view(begin, extent);
    const hp_samp_t samples_view = samples.view(extent);
    const hp_intl_t integrals_view = integrals.view(begin, extent);
    DVREN_RETURN_IF_ERROR(
        FromHp(hp_samp(stream.hp(), plan.hp(), &instance, 1, &rays_view, &samples_view, counters, memory)));
    DVREN_RETURN_IF_ERROR(FromHp(hp_int(stream.hp(), plan.hp(), &samples_view, &integrals_view, counters, memory)));
  }
  const hp_intl_t all_integrals = integrals.view(0, count);
  return FromHp(hp_img(stream.hp(), plan.hp(), &all_integrals, &images, memory));
}

}  // namespace dvren::internal
