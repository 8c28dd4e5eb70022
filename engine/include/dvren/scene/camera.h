// Camera: model, intrinsics, pose over time and shutter. OpenCV axes (x right, y down, z forward); pixels with centres
// at +0.5 and row 0 on top. Other conventions are translated by the codec and the dataset readers, nowhere else.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "dvren/core/geometry.h"
#include "dvren/core/status.h"

namespace dvren {

// World position of the camera as a rigid pose at one time of the shutter interval.
struct CameraKeyframe {
  double time = 0;  // in [0, 1] of the shutter interval
  Affine camera_to_world;
};

enum class ShutterKind : std::uint8_t { kInstant, kGlobal, kRolling };
struct Shutter {
  ShutterKind kind = ShutterKind::kInstant;
  double open = 0, close = 0;  // seconds
};

struct PinholeModel {                     // OpenCV's Brown-Conrady distortion
  double fx = 0, fy = 0, cx = 0, cy = 0;  // pixels
  double k1 = 0, k2 = 0, k3 = 0, p1 = 0, p2 = 0;
  friend bool operator==(const PinholeModel&, const PinholeModel&) = default;
};
struct FisheyeModel {  // theta_d = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8)
  double fx = 0, fy = 0, cx = 0, cy = 0;
  double k1 = 0, k2 = 0, k3 = 0, k4 = 0;
  friend bool operator==(const FisheyeModel&, const FisheyeModel&) = default;
};
struct OrthographicModel {
  double ortho_scale = 1;  // world height of the image
  friend bool operator==(const OrthographicModel&, const OrthographicModel&) = default;
};
using CameraModel = std::variant<PinholeModel, FisheyeModel, OrthographicModel>;

struct Camera {
  int width = 0, height = 0;  // pixels of the whole image
  CameraModel model = PinholeModel{};
  std::vector<CameraKeyframe> keyframes{CameraKeyframe{}};  // one: a static camera
  Shutter shutter;
  double t_near = 0;  // world distance along the unit direction
  double t_far = std::numeric_limits<double>::infinity();

  [[nodiscard]] const Affine& camera_to_world() const { return keyframes.front().camera_to_world; }
};

// Largest image edge that a render accepts, in pixels.
inline constexpr int kMaxImageEdge = 32768;

// INVALID_ARGUMENT naming field, value and remedy; UNIMPLEMENTED for motion (more than one keyframe, a shutter).
[[nodiscard]] absl::Status ValidateCamera(const Camera& camera);

// The default camera: orbit around the box centre, azimuth about +y from +z, elevation up, degrees; `distance` in world
// units from the centre (<= 0: such that the bounding sphere fits); `fov_degrees` is vertical.
[[nodiscard]] Camera OrbitCamera(const Box& world_box, double azimuth_degrees, double elevation_degrees,
                                 double distance, double fov_degrees, int width, int height);

}  // namespace dvren
