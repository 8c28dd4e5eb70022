// What a double argument becomes in f32 kernels.
#pragma once

#include <cfloat>
#include <cmath>

namespace hp {

// Rounds to a finite f32.
inline bool FitsSingle(double x) {
  return std::fabs(x) <= FLT_MAX;
}

}  // namespace hp
