// Affine maps in double: composition and inverse.
#pragma once

#include <cmath>

#include "hotpath/hp.h"

namespace hp {

inline hp_affine Compose(const hp_affine& outer, const hp_affine& inner) {  // x -> outer(inner(x))
  hp_affine r;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) {
      double s = j == 3 ? outer.m[4 * i + 3] : 0.0;
      for (int k = 0; k < 3; ++k) s += outer.m[4 * i + k] * inner.m[4 * k + j];
      r.m[4 * i + j] = s;
    }
  }
  return r;
}

// False when not finite, or singular relative to its own scale.
inline bool Invert(const hp_affine& a, hp_affine* out) {
  const double* m = a.m;
  for (int i = 0; i < 12; ++i) {
    if (!std::isfinite(m[i])) return false;
  }
  const double c00 = m[5] * m[10] - m[6] * m[9], c01 = m[6] * m[8] - m[4] * m[10], c02 = m[4] * m[9] - m[5] * m[8];
  const double det = m[0] * c00 + m[1] * c01 + m[2] * c02;
  double scale = 1;
  for (int i = 0; i < 3; ++i) scale *= std::hypot(m[i], m[4 + i], m[8 + i]);
  if (!(std::abs(det) > 1e-9 * scale) || !std::isfinite(1 / det)) return false;
  double* r = out->m;
  r[0] = c00 / det;
  r[4] = c01 / det;
  r[8] = c02 / det;
  r[1] = (m[2] * m[9] - m[1] * m[10]) / det;
  r[5] = (m[0] * m[10] - m[2] * m[8]) / det;
  r[9] = (m[1] * m[8] - m[0] * m[9]) / det;
  r[2] = (m[1] * m[6] - m[2] * m[5]) / det;
  r[6] = (m[2] * m[4] - m[0] * m[6]) / det;
  r[10] = (m[0] * m[5] - m[1] * m[4]) / det;
  for (int i = 0; i < 3; ++i) r[4 * i + 3] = -(r[4 * i] * m[3] + r[4 * i + 1] * m[7] + r[4 * i + 2] * m[11]);
  return true;
}

inline hp_affine Identity() {
  return {{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
}

}  // namespace hp
