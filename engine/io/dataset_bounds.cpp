#include "dataset_bounds.h"

#include <cmath>

namespace dvren::io {
namespace {

Box CubeAround(const Vec3& centre, double half) {
  Box box;
  for (int i = 0; i < 3; ++i) {
    box.min[i] = centre[i] - half;
    box.max[i] = centre[i] + half;
  }
  return box;
}

// Solves the symmetric A x = b by Cramer's rule. False where A is singular but for rounding: it is a mean of
// projections, whose eigenvalues lie in 0 … 1.
bool Solve(const std::array<Vec3, 3>& a, const Vec3& b, Vec3* x) {
  const auto determinant = [](const Vec3& p, const Vec3& q, const Vec3& r) {
    return p[0] * (q[1] * r[2] - q[2] * r[1]) - p[1] * (q[0] * r[2] - q[2] * r[0]) + p[2] * (q[0] * r[1] - q[1] * r[0]);
  };
  const double whole = determinant(a[0], a[1], a[2]);
  if (!(whole > 1e-6)) return false;
  *x = {determinant(b, a[1], a[2]) / whole, determinant(a[0], b, a[2]) / whole, determinant(a[0], a[1], b) / whole};
  return true;
}

}  // namespace

Vec3 PositionOf(const Affine& camera_to_world) {
  return {camera_to_world.m[3], camera_to_world.m[7], camera_to_world.m[11]};
}

double Distance(const Vec3& a, const Vec3& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

Box GuessBounds(std::span<const ListedPhoto> photos, std::vector<std::string>* notes) {
  // The point x nearest to the lines o + t d: sum of (1 - d d^T) (x - o) = 0.
  std::array<Vec3, 3> a{};
  Vec3 b{}, mean{};
  const double weight = 1.0 / static_cast<double>(photos.size());
  for (const ListedPhoto& photo : photos) {
    const auto& m = photo.camera_to_world.m;
    const Vec3 axis{m[2], m[6], m[10]}, position = PositionOf(photo.camera_to_world);
    for (int i = 0; i < 3; ++i) {
      mean[i] += weight * position[i];
      for (int j = 0; j < 3; ++j) {
        const double entry = weight * ((i == j ? 1.0 : 0.0) - axis[i] * axis[j]);
        a[i][j] += entry;
        b[i] += entry * position[j];
      }
    }
  }
  Vec3 centre{};
  double distance = 0;
  if (Solve(a, b, &centre)) {
    for (const ListedPhoto& photo : photos) distance += weight * Distance(PositionOf(photo.camera_to_world), centre);
  }
  if (distance > 0) return CubeAround(centre, distance);
  notes->push_back("the optical axes do not meet: bounds are a cube around the cameras; give the field's box");
  for (const ListedPhoto& photo : photos)
    distance = std::max(distance, Distance(PositionOf(photo.camera_to_world), mean));
  return CubeAround(mean, distance > 0 ? distance : 1.0);
}

}  // namespace dvren::io
