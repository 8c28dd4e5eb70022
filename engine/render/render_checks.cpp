#include "render/render_checks.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "render/render_steps.h"

namespace dvren::internal {
namespace {

constexpr std::int64_t kMaxRays = std::numeric_limits<std::int32_t>::max();
constexpr double kUnitTolerance = 1e-3;

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

}  // namespace

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
  DVREN_RETURN_IF_ERROR(check("distortion", frame.distortion, kAovDistortion));
  return check("hit", frame.hit, kAovHit);
}

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

absl::Status CheckTile(const Plan& plan, std::size_t tile_index) {
  if (tile_index < plan.tiles().size()) return absl::OkStatus();
  return InvalidField("tile_index", tile_index, absl::StrCat("the plan has ", plan.tiles().size(), " tiles"));
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

}  // namespace dvren::internal
