#include "dvren/scene/camera.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <variant>

namespace dvren {
namespace {

constexpr double kMinPoseDeterminant = 1e-6;  // below, the axes of the pose are (nearly) in one plane

absl::Status CheckFinite(absl::string_view field, double value) {
  return std::isfinite(value) ? absl::OkStatus() : InvalidField(field, value, "must be finite");
}
absl::Status CheckPositive(absl::string_view field, double value) {
  return std::isfinite(value) && value > 0 ? absl::OkStatus() : InvalidField(field, value, "must be finite and > 0");
}

// The focal lengths, the principal point, then whatever the lens adds.
template <class Lens>
absl::Status CheckIntrinsics(const Lens& lens, std::initializer_list<std::pair<const char*, double>> distortion) {
  DVREN_RETURN_IF_ERROR(CheckPositive("camera.fx", lens.fx));
  DVREN_RETURN_IF_ERROR(CheckPositive("camera.fy", lens.fy));
  DVREN_RETURN_IF_ERROR(CheckFinite("camera.cx", lens.cx));
  DVREN_RETURN_IF_ERROR(CheckFinite("camera.cy", lens.cy));
  for (const auto& [name, value] : distortion) DVREN_RETURN_IF_ERROR(CheckFinite(name, value));
  return absl::OkStatus();
}

struct ModelCheck {
  absl::Status operator()(const PinholeModel& m) const {
    return CheckIntrinsics(m, {{"camera.distortion.k1", m.k1},
                               {"camera.distortion.k2", m.k2},
                               {"camera.distortion.k3", m.k3},
                               {"camera.distortion.p1", m.p1},
                               {"camera.distortion.p2", m.p2}});
  }
  absl::Status operator()(const FisheyeModel& m) const {
    return CheckIntrinsics(m, {{"camera.distortion.k1", m.k1},
                               {"camera.distortion.k2", m.k2},
                               {"camera.distortion.k3", m.k3},
                               {"camera.distortion.k4", m.k4}});
  }
  absl::Status operator()(const OrthographicModel& m) const {
    return CheckPositive("camera.ortho_scale", m.ortho_scale);
  }
};

absl::Status CheckEdge(absl::string_view field, int value) {
  if (value >= 1 && value <= kMaxImageEdge) return absl::OkStatus();
  return InvalidField(field, value, absl::StrCat("must be 1 to ", kMaxImageEdge, " pixels"));
}

}  // namespace

absl::Status ValidateCamera(const Camera& camera) {
  DVREN_RETURN_IF_ERROR(CheckEdge("camera.width", camera.width));
  DVREN_RETURN_IF_ERROR(CheckEdge("camera.height", camera.height));
  DVREN_RETURN_IF_ERROR(std::visit(ModelCheck{}, camera.model));
  if (camera.keyframes.empty()) return InvalidField("camera.keyframes", "none", "give one pose");
  if (camera.keyframes.size() > 1) {
    return absl::UnimplementedError(absl::StrCat("camera.keyframes = ", camera.keyframes.size(),
                                                 " poses: camera motion is not implemented; give one pose"));
  }
  if (camera.shutter.kind != ShutterKind::kInstant) {
    return absl::UnimplementedError(
        absl::StrCat("camera.shutter.kind = ", camera.shutter.kind == ShutterKind::kGlobal ? "global" : "rolling",
                     ": exposure over time is not implemented; use instant"));
  }
  for (int i = 0; i < 12; ++i) {
    const double value = camera.camera_to_world().m[i];
    if (!std::isfinite(value))
      return InvalidField(absl::StrCat("camera.camera_to_world[", i, "]"), value, "must be finite");
  }
  if (const double det = NormalizedDeterminant(camera.camera_to_world()); !(std::abs(det) > kMinPoseDeterminant)) {
    return InvalidField("camera.camera_to_world", absl::StrCat("axes of normalised determinant ", det),
                        "the axes must span space; give a rotation");
  }
  if (!std::isfinite(camera.t_near) || camera.t_near < 0) {
    return InvalidField("camera.t_near", camera.t_near, "must be finite and >= 0");
  }
  if (!(camera.t_far > camera.t_near)) {
    return InvalidField("camera.t_far", camera.t_far, absl::StrCat("must be above t_near = ", camera.t_near));
  }
  return absl::OkStatus();
}

Camera OrbitCamera(const Box& world_box, double azimuth_degrees, double elevation_degrees, double distance,
                   double fov_degrees, int width, int height) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double half_fov = 0.5 * fov_degrees * kRadians;
  const double ca = std::cos(azimuth_degrees * kRadians), sa = std::sin(azimuth_degrees * kRadians);
  const double ce = std::cos(elevation_degrees * kRadians), se = std::sin(elevation_degrees * kRadians);
  Vec3 centre{}, half{};
  for (int i = 0; i < 3; ++i) {
    centre[i] = 0.5 * (world_box.min[i] + world_box.max[i]);
    half[i] = 0.5 * (world_box.max[i] - world_box.min[i]);
  }
  if (!(distance > 0)) {
    // A sphere of radius r fits a cone of half angle a from r / sin(a); the narrower side of the image decides.
    const double half_horizontal = std::atan(std::tan(half_fov) * width / height);
    distance = std::hypot(half[0], half[1], half[2]) / std::sin(std::min(half_fov, half_horizontal));
  }
  // Right comes from the azimuth alone, so that looking straight up or down is no special case.
  const Vec3 right{ca, 0, -sa};
  const Vec3 forward{-ce * sa, -se, -ce * ca};
  const Vec3 down{forward[1] * right[2] - forward[2] * right[1], forward[2] * right[0] - forward[0] * right[2],
                  forward[0] * right[1] - forward[1] * right[0]};
  Camera camera;
  camera.width = width;
  camera.height = height;
  PinholeModel lens;
  lens.fx = lens.fy = 0.5 * height / std::tan(half_fov);
  lens.cx = 0.5 * width;
  lens.cy = 0.5 * height;
  camera.model = lens;
  Affine pose;
  for (int i = 0; i < 3; ++i) {
    pose.m[4 * i] = right[i];
    pose.m[4 * i + 1] = down[i];
    pose.m[4 * i + 2] = forward[i];
    pose.m[4 * i + 3] = centre[i] - distance * forward[i];
  }
  camera.keyframes = {CameraKeyframe{0, pose}};
  return camera;
}

}  // namespace dvren
