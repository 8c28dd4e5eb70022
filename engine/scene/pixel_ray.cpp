#include "dvren/scene/pixel_ray.h"

#include <algorithm>
#include <cmath>

#include "dvren/scene/camera.h"

namespace dvren {
namespace {

constexpr int kIterations = 20;

// The point of the plane z = 1 that Brown and Conrady's lens maps to (u, v).
bool UndistortPinhole(const std::array<double, 5>& d, double u, double v, double& x, double& y) {
  const double k1 = d[0], k2 = d[1], p1 = d[2], p2 = d[3], k3 = d[4];
  x = u, y = v;
  for (int i = 0; i < kIterations; ++i) {
    const double r2 = x * x + y * y, radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3));
    const double slope = k1 + r2 * (2 * k2 + 3 * k3 * r2);  // of radial by r2
    const double fx = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) - u;
    const double fy = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y - v;
    const double xx = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x;
    const double xy = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y;
    const double yy = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x;
    const double determinant = xx * yy - xy * xy;
    if (!(determinant > 0) || !(radial > 0)) return false;  // beyond the fold
    x -= (fx * yy - fy * xy) / determinant;
    y -= (fy * xx - fx * xy) / determinant;
  }
  return std::isfinite(x) && std::isfinite(y);
}

// The angle from the axis that the fisheye maps to the distance `r` from the centre.
bool UndistortFisheye(const std::array<double, 5>& d, double r, double& theta) {
  theta = std::min(r, 1.5);
  for (int i = 0; i < kIterations; ++i) {
    const double t2 = theta * theta;
    const double value = theta * (1 + t2 * (d[0] + t2 * (d[1] + t2 * (d[2] + t2 * d[3]))));
    const double slope = 1 + t2 * (3 * d[0] + t2 * (5 * d[1] + t2 * (7 * d[2] + t2 * 9 * d[3])));
    if (!(slope > 0)) return false;
    theta -= (value - r) / slope;
  }
  return std::isfinite(theta) && theta >= 0 && theta < 3.141592653589793;
}

}  // namespace

PixelRay RayThrough(const io::PhotoCamera& camera, double x, double y) {
  const double u = (x - camera.cx) / camera.fx, v = (y - camera.cy) / camera.fy;
  const auto& d = camera.distortion;
  const bool straight = std::all_of(d.begin(), d.end(), [](double k) { return k == 0; });
  Vec3 local{u, v, 1};
  PixelRay ray;
  if (camera.model == io::PhotoCamera::Model::kFisheye) {
    const double r = std::hypot(u, v);
    double theta = r;
    ray.mapped = UndistortFisheye(d, r, theta);
    const double across = r > 0 ? std::sin(theta) / r : 1;
    local = {u * across, v * across, std::cos(theta)};
  } else if (!straight) {
    ray.mapped = UndistortPinhole(d, u, v, local[0], local[1]);
  }
  const auto& m = camera.camera_to_world.m;
  double length = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    ray.direction[i] = m[4 * i] * local[0] + m[4 * i + 1] * local[1] + m[4 * i + 2] * local[2];
    ray.origin[i] = m[4 * i + 3];
    length += ray.direction[i] * ray.direction[i];
  }
  for (double& c : ray.direction) c /= std::sqrt(length);
  return ray;
}

Camera CameraFor(const io::PhotoCamera& photo) {
  Camera camera;
  camera.width = photo.width;
  camera.height = photo.height;
  const auto& d = photo.distortion;
  if (photo.model == io::PhotoCamera::Model::kFisheye) {
    camera.model = FisheyeModel{photo.fx, photo.fy, photo.cx, photo.cy, d[0], d[1], d[2], d[3]};
  } else {
    PinholeModel model{photo.fx, photo.fy, photo.cx, photo.cy};
    model.k1 = d[0], model.k2 = d[1], model.p1 = d[2], model.p2 = d[3], model.k3 = d[4];
    camera.model = model;
  }
  camera.keyframes.front().camera_to_world = photo.camera_to_world;
  return camera;
}

}  // namespace dvren
