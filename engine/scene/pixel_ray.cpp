#include "dvren/scene/pixel_ray.h"

#include <algorithm>
#include <cmath>

#include "dvren/scene/camera.h"

namespace dvren {
namespace {

// Steps and tolerance of the kernels (hotpath/bodies/camera_ray.h): the same pixels count as mapped.
constexpr int kNewtonSteps = 12;
constexpr double kLensResidual = 1e-4;  // relative to 1 + radius

using Polynomial = std::array<double, 5>;  // coefficient of s^i

// Whether a quartic with these Bernstein coefficients, which bound it, is positive; where they disagree, its halves
// say.
bool IsPositive(Polynomial b, int halvings) {
  if (!(b.front() > 0) || !(b.back() > 0)) return false;
  if (std::all_of(b.begin(), b.end(), [](double c) { return c > 0; })) return true;
  if (halvings == 0) return false;  // touches 0
  Polynomial lower{};
  for (std::size_t i = 0; i < b.size(); ++i) {
    lower[i] = b[0];
    for (std::size_t j = 0; j + i + 1 < b.size(); ++j) b[j] = 0.5 * (b[j] + b[j + 1]);
  }
  // What de Casteljau leaves in place are the coefficients of the upper half.
  return IsPositive(lower, halvings - 1) && IsPositive(b, halvings - 1);
}

// Whether the distorted radius grows all the way to the squared radius, or angle, `end`: beyond a fold the polynomial
// has roots that no lens shows. `slope`: of the radius, a polynomial of the square.
bool Grows(const Polynomial& slope, double end) {
  static constexpr double kChoose[5][5] = {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}};
  Polynomial bernstein{};
  double power = 1;
  for (std::size_t i = 0; i < slope.size(); ++i, power *= end) {
    for (std::size_t j = i; j < slope.size(); ++j) bernstein[j] += kChoose[j][i] / kChoose[4][i] * slope[i] * power;
  }
  return IsPositive(bernstein, 40);
}

// The point of the plane z = 1 that Brown and Conrady's lens maps to (u, v).
bool UndistortPinhole(const std::array<double, 5>& d, double u, double v, double& x, double& y) {
  const double k1 = d[0], k2 = d[1], p1 = d[2], p2 = d[3], k3 = d[4];
  x = u, y = v;
  for (int step = 0;; ++step) {
    const double r2 = x * x + y * y, radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3));
    const double slope = k1 + r2 * (2 * k2 + 3 * k3 * r2);  // of radial by r2
    const double fx = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) - u;
    const double fy = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y - v;
    const double xx = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x;
    const double xy = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y;
    const double yy = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x;
    const double determinant = xx * yy - xy * xy;
    if (step == kNewtonSteps) {
      const double bound = kLensResidual * (1 + std::abs(u) + std::abs(v));
      return std::abs(fx) <= bound && std::abs(fy) <= bound && determinant > 0 &&
             Grows({1, 3 * k1, 5 * k2, 7 * k3, 0}, r2);
    }
    x -= (fx * yy - fy * xy) / determinant;
    y -= (fy * xx - fx * xy) / determinant;
  }
}

// The angle from the axis that the fisheye maps to the distance `r` from the centre.
bool UndistortFisheye(const std::array<double, 5>& d, double r, double& theta) {
  constexpr double kPi = 3.14159265358979323846;
  theta = r;
  for (int step = 0;; ++step) {
    const double t2 = theta * theta;
    const double error = theta * (1 + t2 * (d[0] + t2 * (d[1] + t2 * (d[2] + t2 * d[3])))) - r;
    const double slope = 1 + t2 * (3 * d[0] + t2 * (5 * d[1] + t2 * (7 * d[2] + t2 * 9 * d[3])));
    if (step == kNewtonSteps) {
      return std::abs(error) <= kLensResidual * (1 + r) && theta >= 0 && theta <= kPi &&
             Grows({1, 3 * d[0], 5 * d[1], 7 * d[2], 9 * d[3]}, t2);
    }
    theta -= error / slope;
  }
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
