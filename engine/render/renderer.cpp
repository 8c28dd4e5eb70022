#include "dvren/render/renderer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <variant>
#include <vector>

#include "render/kernel_inputs.h"
#include "render/render_checks.h"
#include "render/render_steps.h"
#include "render/staged_path.h"

namespace dvren {

using internal::AllocateFrame;
using internal::CheckDevices;
using internal::CheckFrame;
using internal::CheckHasCamera;
using internal::CheckTile;
using internal::Measure;
using internal::UploadRays;
using internal::ValidateRayBatch;

namespace {

constexpr double kMaxLatticeIndex = 16777216;  // 2^24: f32 counts exactly up to here

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
  DVREN_RETURN_IF_ERROR(CheckTile(plan, tile_index));
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
  if (rays.count_each) {
    if (UsesStaged(path_, scene)) {
      return absl::UnimplementedError("rays.count_each = true: the staged path does not count each ray");
    }
    const std::int64_t shape[3] = {1, rays.count, 2};
    DVREN_ASSIGN_OR_RETURN(frame.counts, Tensor::Allocate(stream, DType::kI32, shape));
  }
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
