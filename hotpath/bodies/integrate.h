// Emission and absorption along a ray (Max, "Optical Models for Direct Volume Rendering", 1995):
//   alpha = 1 - exp(-sigma length);  w = T alpha;  T <- T - w;  C += w c;  depth += w t
// T is a compensated pair, so that opacity = 1 - T keeps its digits over many thin samples.
// Distortion (Barron et al., "Mip-NeRF 360", 2022, eq. 15), for rays that are asked for it:
//   D = sum_ij w_i w_j |t_i - t_j| + sum_i w_i^2 length_i / 3
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

// What the samples so far say of D. They come in the order of t, so that each meets those before it once, as
//   D += w (2 lag + w length / 3),  lag = sum w_j (t - t_j) over those before
// lag goes from sample to sample by t - t_last: a sum of positive terms, with no digits lost to the ray's distance.
struct Spread {
  static constexpr bool kAsked = true;
  F distortion;
  F lag, t;  // lag at t, the place of the last sample with weight
  HP_FN static Spread begin() { return {splat(0), splat(0), splat(0)}; }
};
struct NoSpread {
  static constexpr bool kAsked = false;
  HP_FN static NoSpread begin() { return {}; }
};
template <bool kSpread>
struct SpreadOf {
  using Type = NoSpread;
};
template <>
struct SpreadOf<true> {
  using Type = Spread;
};

// lag at a place behind all samples so far, whose weights sum to `opacity`.
HP_FN F lag_at(const Spread& s, F opacity, F t) {
  return madd(opacity, t - s.t, s.lag);
}

// `before`: the opacity before this sample. One without weight changes no bits: whether it is skipped must not matter.
HP_FN void spread_sample(Spread& s, F before, F w, F t, F length) {
  const F lag = lag_at(s, before, t);
  const M weighs = w > splat(0);
  s.distortion = madd(w, madd(w * splat(Real(1.0 / 3)), length, lag + lag), s.distortion);
  s.lag = select(weighs, lag, s.lag);
  s.t = select(weighs, t, s.t);
}
HP_FN void spread_sample(NoSpread&, F, F, F, F) {}

HP_FN F distortion_of(const Spread& s) {
  return s.distortion;
}
HP_FN F distortion_of(const NoSpread&) {
  return splat(0);
}

// Both.
template <class SpreadType>
HP_FN F integrate_sample(Integral& s, SpreadType& spread, M live, F t, F length, F sigma, F r, F g, F b) {
  const F before = s.opacity();
  const F w = integrate_sample(s, live, t, length, sigma, r, g, b);
  spread_sample(spread, before, w, t, length);
  return w;
}

}  // namespace hp::HP_ISA_NS
