// Emission and absorption along a ray (Max, "Optical Models for Direct Volume Rendering", 1995):
//   alpha = 1 - exp(-sigma length);  w = T alpha;  T <- T - w;  C += w c;  depth += w t
// T is a compensated pair, so that opacity = 1 - T keeps its digits over many thin samples.
#pragma once

#include "lanes/math.h"

namespace hp::HP_ISA_NS {

struct Integral {
  F t_high, t_low;  // transmittance
  F r, g, b, depth;
  HP_FN static Integral begin() { return {splat(1), splat(0), splat(0), splat(0), splat(0), splat(0)}; }
  HP_FN F transmittance() const { return t_high + t_low; }
  HP_FN F opacity() const { return (splat(1) - t_high) - t_low; }
};

// Returns the weight w.
HP_FN F integrate_sample(Integral& s, M live, F t, F length, F sigma, F r, F g, F b) {
  F alpha = one_minus_exp_neg(sigma * length);
  F w = select(live, s.transmittance() * alpha, splat(0));
  F next = s.t_high - w;
  s.t_low = s.t_low + ((s.t_high - next) - w);
  s.t_high = next;
  s.r = madd(w, r, s.r);
  s.g = madd(w, g, s.g);
  s.b = madd(w, b, s.b);
  s.depth = madd(w, t, s.depth);
  return w;
}

}  // namespace hp::HP_ISA_NS
