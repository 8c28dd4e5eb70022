// Small value types of space: affine maps and axis-aligned boxes, in double. Header only.
#pragma once

#include <array>

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

}  // namespace dvren
