// Small value types of space: affine maps and axis-aligned boxes, in double. Header only.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

namespace dvren {

using Vec3 = std::array<double, 3>;

// Row-major 3x4: y = M[:, :3] x + M[:, 3].
struct Affine {
  std::array<double, 12> m{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};

  [[nodiscard]] Vec3 Apply(const Vec3& p) const {
    Vec3 q{};
    for (int i = 0; i < 3; ++i) q[i] = m[4 * i] * p[0] + m[4 * i + 1] * p[1] + m[4 * i + 2] * p[2] + m[4 * i + 3];
    return q;
  }
  // *this after `inner`: x -> this(inner(x)).
  [[nodiscard]] Affine After(const Affine& inner) const {
    Affine r;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 4; ++j) {
        double s = j == 3 ? m[4 * i + 3] : 0.0;
        for (int k = 0; k < 3; ++k) s += m[4 * i + k] * inner.m[4 * k + j];
        r.m[4 * i + j] = s;
      }
    }
    return r;
  }
  friend bool operator==(const Affine&, const Affine&) = default;
};

struct Box {
  Vec3 min{0, 0, 0}, max{1, 1, 1};
  friend bool operator==(const Box&, const Box&) = default;
};

// Axis-aligned bounds of `map` applied to `box`.
[[nodiscard]] inline Box BoundsOf(const Box& box, const Affine& map) {
  Box bounds;
  for (int corner = 0; corner < 8; ++corner) {
    Vec3 p{};
    for (int i = 0; i < 3; ++i) p[i] = (corner >> i & 1) != 0 ? box.max[i] : box.min[i];
    const Vec3 q = map.Apply(p);
    for (int i = 0; i < 3; ++i) {
      bounds.min[i] = corner == 0 ? q[i] : std::min(bounds.min[i], q[i]);
      bounds.max[i] = corner == 0 ? q[i] : std::max(bounds.max[i], q[i]);
    }
  }
  return bounds;
}

// Determinant of the linear part with its columns scaled to unit length: 0 where the map flattens space, ±1 where its
// columns are orthogonal. Free of units, so that one threshold fits every scale. 0 for a zero column.
[[nodiscard]] inline double NormalizedDeterminant(const Affine& map) {
  std::array<Vec3, 3> c{};
  for (int j = 0; j < 3; ++j) {
    const double length = std::hypot(map.m[j], map.m[4 + j], map.m[8 + j]);
    if (!(length > 0)) return 0;
    for (int i = 0; i < 3; ++i) c[j][i] = map.m[4 * i + j] / length;
  }
  return c[0][0] * (c[1][1] * c[2][2] - c[1][2] * c[2][1]) - c[0][1] * (c[1][0] * c[2][2] - c[1][2] * c[2][0]) +
         c[0][2] * (c[1][0] * c[2][1] - c[1][1] * c[2][0]);
}

}  // namespace dvren
