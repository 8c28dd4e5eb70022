// Density from a raw value, and its derivative. Uniform over a launch.
#pragma once

#include "hotpath/hp.h"
#include "lanes/math.h"

namespace hp::HP_ISA_NS {

// Kept out of line: most fields hold densities as they are.
HP_SLOW_FN F activate_slow(int activation, F v) {
  return activation == HP_ACTIVATION_SOFTPLUS ? softplus(v) : exponential(v);
}
HP_FN F activate(int activation, F v) {
  return activation == HP_ACTIVATION_IDENTITY ? v : activate_slow(activation, v);
}

HP_SLOW_FN F activation_slope_slow(int activation, F v) {
  if (activation == HP_ACTIVATION_SOFTPLUS) return logistic(v);
  return exponential(activation == HP_ACTIVATION_TRUNC_EXP ? min_of(splat(15), v) : v);
}
// d activate / d v.
HP_FN F activation_slope(int activation, F v) {
  return activation == HP_ACTIVATION_IDENTITY ? splat(1) : activation_slope_slow(activation, v);
}

}  // namespace hp::HP_ISA_NS
