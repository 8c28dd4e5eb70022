#include "dvren/render/renderer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <variant>
#include <vector>

#include "render/kernel_inputs.h"
#include "render/staged_path.h"

namespace dvren {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::int64_t kMaxRays = std::numeric_limits<std::int32_t>::max();
constexpr double kMaxLatticeIndex = 16777216;  // 2^24: f32 counts exactly up to here
constexpr double kUnitTolerance = 1e-3;

DType DTypeOf(Precision precision) {
  return precision == Precision::kF64 ? DType::kF64 : DType::kF32;
}

absl::StatusOr<Frame> AllocateFrame(Stream& stream, const PlanSpec& spec, std::int64_t height, std::int64_t width) {
  const DType dtype = DTypeOf(spec.precision);
  const std::int64_t color[3] = {height, width, 3};
  const std::int64_t scalar[2] = {height, width};
  Frame frame;
  if ((spec.aovs & kAovRgb) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.rgb, Tensor::Allocate(stream, dtype, color));
  }
  if ((spec.aovs & kAovOpacity) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.opacity, Tensor::Allocate(stream, dtype, scalar));
  }
  if ((spec.aovs & kAovTransmittance) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.transmittance, Tensor::Allocate(stream, dtype, scalar));
  }
  if ((spec.aovs & kAovDepth) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.depth, Tensor::Allocate(stream, dtype, scalar));
  }
  if ((spec.aovs & kAovHit) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.hit, Tensor::Allocate(stream, dtype, scalar));
  }
  return frame;
}

// A frame of another plan would be written out of its bounds.
absl::Status CheckFrame(const Plan& plan, const Frame& frame) {
  const auto check = [&](const char* name, const Tensor& image, std::uint32_t aov) {
    if (image.defined() != ((plan.spec().aovs & aov) != 0)) {
      return InvalidField(absl::StrCat("frame.", name), image.defined() ? "defined" : "absent",
                          "is not the plan's; use MakeFrame of this plan");
    }
    if (!image.defined()) return absl::OkStatus();
    if (image.dtype() != DTypeOf(plan.spec().precision) || image.shape()[0] != plan.roi().height ||
        image.shape()[1] != plan.roi().width) {
      return InvalidField(absl::StrCat("frame.", name), absl::StrCat(image.shape()[1], " x ", image.shape()[0]),
                          absl::StrCat("the plan renders ", plan.roi().width, " x ", plan.roi().height,
                                       " of its own precision; use MakeFrame of this plan"));
    }
    return absl::OkStatus();
  };
  DVREN_RETURN_IF_ERROR(check("rgb", frame.rgb, kAovRgb));
  DVREN_RETURN_IF_ERROR(check("opacity", frame.opacity, kAovOpacity));
  DVREN_RETURN_IF_ERROR(check("transmittance", frame.transmittance, kAovTransmittance));
  DVREN_RETURN_IF_ERROR(check("depth", frame.depth, kAovDepth));
  return check("hit", frame.hit, kAovHit);
}

// Precondition: ValidateScene has passed.
absl::Status CheckDevices(const Stream& stream, const Plan& plan, const Scene& scene) {
  const Device* device = stream.device().get();
  if (plan.device() != device) {
    return InvalidField("plan.device", plan.device()->info().id,
                        absl::StrCat("the stream is on another device, ", device->info().id, "; make the plan there"));
  }
  const Device* field_device = scene.instances.front().field->device().get();
  if (field_device != device) {
    return InvalidField("scene.instances[0].field.device", field_device->info().id,
                        absl::StrCat("the stream is on another device, ", device->info().id, "; put the field there"));
  }
  return absl::OkStatus();
}

absl::Status CheckHasCamera(const Plan& plan) {
  if (plan.spec().camera.has_value()) return absl::OkStatus();
  return InvalidField("plan.camera", "none", "images need a camera; use RenderRays for given rays");
}

bool UsesStaged(RenderPath path, const Scene& scene) {
  return path == RenderPath::kStaged || scene.instances.front().field->info().batched;
}

// How far along its ray a camera may meet `point`, at most.
double FarthestDistance(const Camera& camera, const Vec3& point) {
  const Affine& pose = camera.camera_to_world();
  const Vec3 offset{point[0] - pose.m[3], point[1] - pose.m[7], point[2] - pose.m[11]};
  const auto* orthographic = std::get_if<OrthographicModel>(&camera.model);
  if (orthographic == nullptr) return std::hypot(offset[0], offset[1], offset[2]);
  // Rays are parallel to the z axis and start in the image's plane, which a pose that is no rotation may tilt: the
  // farthest of the image's corners decides.
  const double length = std::hypot(pose.m[2], pose.m[6], pose.m[10]);
  double along[3] = {0, 0, 0}, offset_along = 0;
  for (int i = 0; i < 3; ++i) {
    const double forward = pose.m[4 * i + 2] / length;
    offset_along += offset[i] * forward;
    for (int j = 0; j < 2; ++j) along[j] += pose.m[4 * i + j] * forward;
  }
  const double half_height = 0.5 * orthographic->ortho_scale;
  const double half_width = half_height * camera.width / camera.height;
  return offset_along + half_width * std::abs(along[0]) + half_height * std::abs(along[1]);
}

// Checks N rays in host memory. T is the plan's precision.
template <class T>
absl::Status ValidateRays(const RayBatch& rays) {
  const auto* origins = static_cast<const T*>(rays.origins);
  const auto* directions = static_cast<const T*>(rays.directions);
  const auto* t_near = static_cast<const T*>(rays.t_near);
  const auto* t_far = static_cast<const T*>(rays.t_far);
  for (std::int64_t i = 0; i < rays.count; ++i) {
    double squared = 0;
    for (int c = 0; c < 3; ++c) {
      const double o = origins[3 * i + c], d = directions[3 * i + c];
      if (!std::isfinite(o)) return InvalidField(absl::StrCat("rays.origins[", i, "][", c, "]"), o, "must be finite");
      if (!std::isfinite(d))
        return InvalidField(absl::StrCat("rays.directions[", i, "][", c, "]"), d, "must be finite");
      squared += d * d;
    }
    if (const double length = std::sqrt(squared); std::abs(length - 1) > kUnitTolerance) {
      return InvalidField(absl::StrCat("rays.directions[", i, "]"), absl::StrCat("a vector of length ", length),
                          absl::StrCat("must be of unit length within ", kUnitTolerance, "; normalise it"));
    }
    if (t_near != nullptr && !(std::isfinite(t_near[i]) && t_near[i] >= 0)) {
      return InvalidField(absl::StrCat("rays.t_near[", i, "]"), t_near[i], "must be finite and >= 0");
    }
    if (t_far != nullptr && std::isnan(t_far[i])) {
      return InvalidField(absl::StrCat("rays.t_far[", i, "]"), t_far[i], "must be a number; infinity is one");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateRayBatch(const Plan& plan, const RayBatch& rays) {
  if (plan.spec().camera.has_value()) {
    return InvalidField("plan.camera", "given", "rays are given, too; leave the camera out");
  }
  if (rays.count < 1 || rays.count > kMaxRays) {
    return InvalidField("rays.count", rays.count, absl::StrCat("must be 1 to ", kMaxRays));
  }
  if (rays.origins == nullptr) return InvalidField("rays.origins", "none", "must hold (N, 3) world positions");
  if (rays.directions == nullptr) return InvalidField("rays.directions", "none", "must hold (N, 3) unit vectors");
  return plan.spec().precision == Precision::kF64 ? ValidateRays<double>(rays) : ValidateRays<float>(rays);
}

// Copies given values, or `otherwise` in each place where none are given.
template <class T>
absl::Status UploadOr(Stream& stream, Tensor& tensor, const void* values, double otherwise) {
  if (values != nullptr) return tensor.CopyFromHost(stream, values);
  const std::vector<T> filled(static_cast<std::size_t>(tensor.size()), static_cast<T>(otherwise));
  return tensor.CopyFromHost(stream, filled.data());
}

absl::StatusOr<internal::DeviceRays> UploadRays(Stream& stream, Precision precision, const RayBatch& rays) {
  DVREN_ASSIGN_OR_RETURN(internal::DeviceRays out, internal::DeviceRays::Allocate(stream, precision, rays.count));
  DVREN_RETURN_IF_ERROR(out.origins.CopyFromHost(stream, rays.origins));
  DVREN_RETURN_IF_ERROR(out.directions.CopyFromHost(stream, rays.directions));
  const auto upload = precision == Precision::kF64 ? &UploadOr<double> : &UploadOr<float>;
  DVREN_RETURN_IF_ERROR(upload(stream, out.t_near, rays.t_near, 0));
  DVREN_RETURN_IF_ERROR(upload(stream, out.t_far, rays.t_far, std::numeric_limits<double>::infinity()));
  if (rays.ids != nullptr) {
    DVREN_RETURN_IF_ERROR(out.ids.CopyFromHost(stream, rays.ids));
  } else {
    std::vector<std::int64_t> index(static_cast<std::size_t>(rays.count));
    for (std::size_t i = 0; i < index.size(); ++i) index[i] = static_cast<std::int64_t>(i);
    DVREN_RETURN_IF_ERROR(out.ids.CopyFromHost(stream, index.data()));
  }
  return out;
}

// Runs `kernels` with fresh counters and adds what they counted and took to `stats`.
template <class Kernels>
absl::Status Measure(Stream& stream, RenderStats& stats, const Kernels& kernels) {
  DVREN_ASSIGN_OR_RETURN(const internal::Counters counters, internal::Counters::Make(stream));
  const SteadyClock::time_point start = SteadyClock::now();
  DVREN_RETURN_IF_ERROR(kernels(counters.view()));
  DVREN_RETURN_IF_ERROR(counters.AddTo(stream, stats));
  stats.wall_seconds += std::chrono::duration<double>(SteadyClock::now() - start).count();
  return absl::OkStatus();
}

}  // namespace

RenderStats& RenderStats::operator+=(const RenderStats& other) {
  rays += other.rays;
  samples += other.samples;
  early_stopped += other.early_stopped;
  truncated += other.truncated;
  invalid += other.invalid;
  wall_seconds += other.wall_seconds;
  return *this;
}

absl::Status ValidatePlanForScene(const Plan& plan, const Scene& scene) {
  DVREN_RETURN_IF_ERROR(ValidateScene(scene));
  if (!plan.spec().camera.has_value()) return absl::OkStatus();
  // Rays through an unbounded field start at lattice index 0, and max_steps <= 2^24 ends them in time.
  const Instance& instance = scene.instances.front();
  const FieldInfo& info = instance.field->info();
  const Camera& camera = *plan.spec().camera;
  if (info.unbounded) {
    if (std::isfinite(camera.t_far)) return absl::OkStatus();
    return InvalidField("camera.t_far", camera.t_far, "must be finite for a field with border clamp, which never ends");
  }
  const Affine to_world = instance.object_to_world.After(info.local_to_world);
  double farthest = 0;
  for (int corner = 0; corner < 8; ++corner) {
    Vec3 p{};
    for (int i = 0; i < 3; ++i) p[i] = (corner >> i & 1) != 0 ? info.box.max[i] : info.box.min[i];
    farthest = std::max(farthest, FarthestDistance(camera, to_world.Apply(p)));
  }
  const double reach = std::min(farthest, camera.t_far) - camera.t_near;
  if (!(reach / plan.spec().sampling.dt < kMaxLatticeIndex)) {
    return InvalidField("sampling.dt", plan.spec().sampling.dt,
                        absl::StrCat("the field ends ", reach, " behind t_near = ", camera.t_near, ", which is ",
                                     reach / plan.spec().sampling.dt, " steps, and at most 2^24 can be counted; ",
                                     "raise t_near or dt"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Frame> Renderer::MakeFrame(Stream& stream, const Plan& plan) const {
  DVREN_RETURN_IF_ERROR(CheckHasCamera(plan));
  return AllocateFrame(stream, plan.spec(), plan.roi().height, plan.roi().width);
}

absl::Status Renderer::RenderTile(Stream& stream, const Plan& plan, const Scene& scene, std::size_t tile_index,
                                  Frame& frame) const {
  DVREN_RETURN_IF_ERROR(CheckHasCamera(plan));
  DVREN_RETURN_IF_ERROR(ValidatePlanForScene(plan, scene));
  DVREN_RETURN_IF_ERROR(CheckDevices(stream, plan, scene));
  DVREN_RETURN_IF_ERROR(CheckFrame(plan, frame));
  if (tile_index >= plan.tiles().size()) {
    return InvalidField("tile_index", tile_index, absl::StrCat("the plan has ", plan.tiles().size(), " tiles"));
  }
  const Roi& tile = plan.tiles()[tile_index];
  const hp_instance instance = internal::ToHp(scene.instances.front());
  const hp_img_t images =
      internal::ImagesOf(frame, tile.x - plan.roi().x, tile.y - plan.roi().y, tile.width, tile.height);
  return Measure(stream, frame.stats, [&](hp_tensor counters) -> absl::Status {
    if (UsesStaged(path_, scene)) return internal::RenderStaged(stream, plan, instance, tile, images, counters);
    DVREN_ASSIGN_OR_RETURN(const Buffer workspace, Buffer::Allocate(stream, plan.workspace_bytes()));
    return FromHp(hp_samp_int_fused(stream.hp(), plan.hp(), &instance, 1, /*rays=*/nullptr,
                                    hp_roi{tile.x, tile.y, tile.width, tile.height}, &images, counters,
                                    hp_workspace{workspace.data(), workspace.size()}));
  });
}

absl::StatusOr<Frame> Renderer::Render(Stream& stream, const Plan& plan, const Scene& scene,
                                       const std::function<bool()>& cancelled) const {
  DVREN_RETURN_IF_ERROR(CheckHasCamera(plan));
  DVREN_RETURN_IF_ERROR(ValidatePlanForScene(plan, scene));
  DVREN_RETURN_IF_ERROR(CheckDevices(stream, plan, scene));
  DVREN_ASSIGN_OR_RETURN(Frame frame, MakeFrame(stream, plan));
  for (std::size_t i = 0; i < plan.tiles().size(); ++i) {
    if (cancelled && cancelled()) {
      return absl::CancelledError(absl::StrCat("render: cancelled after ", i, " of ", plan.tiles().size(), " tiles"));
    }
    DVREN_RETURN_IF_ERROR(RenderTile(stream, plan, scene, i, frame));
  }
  return frame;
}

absl::StatusOr<Frame> Renderer::RenderRays(Stream& stream, const Plan& plan, const Scene& scene,
                                           const RayBatch& rays) const {
  DVREN_RETURN_IF_ERROR(ValidateScene(scene));
  DVREN_RETURN_IF_ERROR(CheckDevices(stream, plan, scene));
  DVREN_RETURN_IF_ERROR(ValidateRayBatch(plan, rays));
  DVREN_ASSIGN_OR_RETURN(Frame frame, AllocateFrame(stream, plan.spec(), 1, rays.count));
  DVREN_ASSIGN_OR_RETURN(const internal::DeviceRays device_rays, UploadRays(stream, plan.spec().precision, rays));
  const hp_instance instance = internal::ToHp(scene.instances.front());
  const hp_img_t images = internal::ImagesOf(frame, 0, 0, rays.count, 1);
  const auto kernels = [&](hp_tensor counters) -> absl::Status {
    if (UsesStaged(path_, scene)) {
      return internal::RenderStaged(stream, plan, instance, device_rays, images, counters);
    }
    std::size_t bytes = 0;
    DVREN_RETURN_IF_ERROR(FromHp(hp_samp_int_fused_workspace_size(plan.hp(), hp_roi{}, rays.count, &bytes)));
    DVREN_ASSIGN_OR_RETURN(const Buffer workspace, Buffer::Allocate(stream, bytes));
    const hp_rays_t view = device_rays.view(0, rays.count);
    return FromHp(hp_samp_int_fused(stream.hp(), plan.hp(), &instance, 1, &view, hp_roi{}, &images, counters,
                                    hp_workspace{workspace.data(), workspace.size()}));
  };
  DVREN_RETURN_IF_ERROR(Measure(stream, frame.stats, kernels));
  return frame;
}

}  // namespace dvren
