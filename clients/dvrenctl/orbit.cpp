#include "orbit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace dvren::ctl {

v1::Camera OrbitCamera(const v1::Box& world_box, const Orbit& orbit, int width, int height) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double half_fov = 0.5 * orbit.fov_degrees * kRadians;
  const double ca = std::cos(orbit.azimuth_degrees * kRadians), sa = std::sin(orbit.azimuth_degrees * kRadians);
  const double ce = std::cos(orbit.elevation_degrees * kRadians), se = std::sin(orbit.elevation_degrees * kRadians);
  const v1::Vec3 &low = world_box.min(), &high = world_box.max();
  const std::array<double, 3> centre{0.5 * (low.x() + high.x()), 0.5 * (low.y() + high.y()),
                                     0.5 * (low.z() + high.z())};
  double distance = orbit.distance;
  if (!(distance > 0)) {
    // A sphere of radius r fits a cone of half angle a from r / sin(a); the narrower side of the image decides.
    const double radius = 0.5 * std::hypot(high.x() - low.x(), high.y() - low.y(), high.z() - low.z());
    distance = radius / std::sin(std::min(half_fov, std::atan(std::tan(half_fov) * width / height)));
  }
  // Right comes from the azimuth alone, so that looking straight up or down is no special case. down = forward x right.
  const std::array<double, 3> right{ca, 0, -sa}, forward{-ce * sa, -se, -ce * ca};
  const std::array<double, 3> down{forward[1] * right[2] - forward[2] * right[1],
                                   forward[2] * right[0] - forward[0] * right[2],
                                   forward[0] * right[1] - forward[1] * right[0]};
  v1::Camera camera;
  camera.set_width(width);
  camera.set_height(height);
  camera.set_convention(v1::AXIS_CONVENTION_OPENCV);
  const double focal = 0.5 * height / std::tan(half_fov);
  camera.mutable_pinhole()->set_fx(focal);
  camera.mutable_pinhole()->set_fy(focal);
  for (std::size_t row = 0; row < 3; ++row) {
    for (const double value : {right[row], down[row], forward[row], centre[row] - distance * forward[row]}) {
      camera.mutable_camera_to_world()->add_m(value);
    }
  }
  return camera;
}

}  // namespace dvren::ctl
