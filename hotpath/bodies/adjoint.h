// Adjoints of the bodies: dL/d(samples) from dL/d(image), dL/d(ray) from dL/d(samples). Each stands for the forward of
// the same name in integrate.h and march.h.
#pragma once

#include "bodies/integrate.h"
#include "bodies/march.h"

namespace hp::HP_ISA_NS {

// What the loss says of a ray, and what the forward made of it.
struct RayLoss {
  F r, g, b, depth;                          // dL/d(radiance), dL/d(depth)
  F tail;                                    // T_n dL/dT_n, by the background, the transmittance and the opacity
  F whole_r, whole_g, whole_b, whole_depth;  // sums over the whole ray
  F distortion;                              // dL/dD; this and what follows is read where rays have a Spread
  F whole_distortion, whole_transmittance;   // D, T_n
};

struct SampleAdjoint {
  F sigma, r, g, b, t, length;
};

// The next sample forward, and its adjoint. With e_k = dL/dC . c_k + dL/d(depth) t_k, what a unit of
// weight at k is worth:
//   dL/d(sigma_k length_k) = T_{k+1} e_k - sum_{j>k} w_j e_j - T_n dL/dT_n
// The sum over what lies ahead is the whole less what has passed: nothing is stored per sample, and since the same
// numbers were added in the same order, it ends at exactly 0.
//
// Distortion adds to e_k what D gains by weight at k, with W = 1 - T the weight that has passed and lies ahead:
//   dD/dw_k = 2 (lag_k + lead_k) + 2/3 w_k length_k,  lead_k = sum_{j>k} w_j (t_j - t_k)
// and to the sum over what lies ahead, D being made of pairs before, pairs behind, and pairs across k:
//   sum_{j>k} w_j dD/dw_j = 2 (D - D_k) - 2 (W_k lead_k + (W_n - W_k) lag_k)
template <class SpreadType>
HP_FN SampleAdjoint integrate_sample_adjoint(Integral& s, SpreadType& spread, M live, const RayLoss& loss, F t,
                                             F length, F sigma, F r, F g, F b) {
  const F before = s.opacity();
  F lag = splat(0);
  if constexpr (SpreadType::kAsked) lag = lag_at(spread, before, t);
  const F w = integrate_sample(s, spread, live, t, length, sigma, r, g, b);
  F here = madd(loss.r, r, madd(loss.g, g, madd(loss.b, b, loss.depth * t)));
  F ahead = madd(loss.depth, loss.whole_depth - s.depth, loss.tail);
  ahead = madd(loss.r, loss.whole_r - s.r, madd(loss.g, loss.whole_g - s.g, madd(loss.b, loss.whole_b - s.b, ahead)));
  F d_t = w * loss.depth, d_own_length = splat(0);
  if constexpr (SpreadType::kAsked) {
    const F two = splat(2), passed = s.opacity(), to_come = s.transmittance() - loss.whole_transmittance;
    const F lead = nmadd(t, to_come, loss.whole_depth - s.depth);
    const F w_length = w * splat(Real(1.0 / 3)) * length;
    here = madd(loss.distortion * two, lag + lead + w_length, here);
    const F across = madd(passed, lead, to_come * lag);
    ahead = madd(loss.distortion * two, loss.whole_distortion - spread.distortion - across, ahead);
    // t_k moves away from what lies before it, towards what lies ahead.
    d_t = madd(loss.distortion * two, w * (before - to_come), d_t);
    d_own_length = loss.distortion * w * w * splat(Real(1.0 / 3));
  }
  const F d_tau = select(live, madd(s.transmittance(), here, -ahead), splat(0));
  F d_length = d_tau * sigma;
  if constexpr (SpreadType::kAsked) d_length = d_length + d_own_length;
  return {d_tau * length, w * loss.r, w * loss.g, w * loss.b, d_t, d_length};
}

// dL/d of what places a ray's samples.
struct LatticeAdjoint {
  F t_near, t0, t1, dt;
  HP_FN static LatticeAdjoint zero() { return {splat(0), splat(0), splat(0), splat(0)}; }
};

HP_FN void place_sample_adjoint(const Lattice& lattice, const March& s, I k, F d_t, F d_length, LatticeAdjoint& out) {
  const F zero = splat(0), one = splat(1), dt = splat(lattice.dt), kf = to_real(k);
  // An end that falls on the lattice belongs to the ray: either way it moves, the segment ends with it.
  const M low = madd(kf, dt, s.t_near) <= s.t0, high = madd(kf + one, dt, s.t_near) >= s.t1, cut = either(low, high);
  // t = begin + offset length;  a cut segment's length is end - begin, another's is dt.
  const F d_extent = madd(sampler_offset(lattice, s, k), d_t, d_length);
  const F d_end = select(cut, d_extent, zero), d_begin = d_t - d_end;
  out.dt = out.dt + select(cut, zero, d_extent);
  // begin = max(t_near + k dt, t0), end = min(t_near + (k+1) dt, t1)
  const F begins = select(low, zero, d_begin), ends = select(high, zero, d_end);
  out.t0 = out.t0 + select(low, d_begin, zero);
  out.t1 = out.t1 + select(high, d_end, zero);
  out.t_near = out.t_near + begins + ends;
  out.dt = madd(kf, begins, madd(kf + one, ends, out.dt));
}

// dL/d of a ray in grid space: p + t g.
struct GridRayAdjoint {
  F px, py, pz, gx, gy, gz;
  HP_FN static GridRayAdjoint zero() { return {splat(0), splat(0), splat(0), splat(0), splat(0), splat(0)}; }
};

struct RayAdjoint {
  F ox, oy, oz, dx, dy, dz;  // world
  F t_near, t_far;
};

// One axis of the clip: who owns t0 and t1 so far, in the order in which start_march asks.
HP_FN void clip_axis_owner(F p, F g, Real lo, Real hi, int axis, F& t0, F& t1, I& owner0, I& owner1) {
  M still = g == splat(0);
  F divisor = select(still, splat(1), g);
  F a = (splat(lo) - p) / divisor, b = (splat(hi) - p) / divisor;
  F enter = min_of(a, b), leave = max_of(a, b);
  M first = without(enter > t0, still), last = without(leave < t1, still);
  owner0 = select(first, splat_int(axis), owner0);
  owner1 = select(last, splat_int(axis), owner1);
  t0 = select(first, enter, t0);
  t1 = select(last, leave, t1);
}

// t = (face - p) / g:  dt/dp = -1/g,  dt/dg = -t/g.
HP_FN void clip_axis_adjoint(int axis, I owner0, I owner1, const March& s, F d_t0, F d_t1, F g, F& d_p, F& d_g) {
  const F zero = splat(0), inverse = splat(1) / select(g == zero, splat(1), g);
  const F a = select(equal(owner0, splat_int(axis)), d_t0, zero) * inverse;
  const F b = select(equal(owner1, splat_int(axis)), d_t1, zero) * inverse;
  d_p = d_p - a - b;
  d_g = nmadd(a, s.t0, nmadd(b, s.t1, d_g));
}

HP_FN RayAdjoint start_march_adjoint(const Grid& grid, const RayPacket& ray, const March& s,
                                     const LatticeAdjoint& lattice, GridRayAdjoint d) {
  const F zero = splat(0);
  I owner0 = splat_int(-1), owner1 = splat_int(-1);
  if (!grid.unbounded) {
    F t0 = ray.t_near, t1 = ray.t_far;
    clip_axis_owner(s.px, s.gx, grid.lo[0], grid.hi[0], 0, t0, t1, owner0, owner1);
    clip_axis_owner(s.py, s.gy, grid.lo[1], grid.hi[1], 1, t0, t1, owner0, owner1);
    clip_axis_owner(s.pz, s.gz, grid.lo[2], grid.hi[2], 2, t0, t1, owner0, owner1);
    clip_axis_adjoint(0, owner0, owner1, s, lattice.t0, lattice.t1, s.gx, d.px, d.gx);
    clip_axis_adjoint(1, owner0, owner1, s, lattice.t0, lattice.t1, s.gy, d.py, d.gy);
    clip_axis_adjoint(2, owner0, owner1, s, lattice.t0, lattice.t1, s.gz, d.pz, d.gz);
  }
  RayAdjoint out;
  out.t_near = lattice.t_near + select(equal(owner0, splat_int(-1)), lattice.t0, zero);
  out.t_far = select(equal(owner1, splat_int(-1)), lattice.t1, zero);
  const Real* m = grid.m;
  auto turn = [&](int column, F x, F y, F z) {
    return madd(splat(m[column]), x, madd(splat(m[4 + column]), y, splat(m[8 + column]) * z));
  };
  out.ox = turn(0, d.px, d.py, d.pz);
  out.oy = turn(1, d.px, d.py, d.pz);
  out.oz = turn(2, d.px, d.py, d.pz);
  out.dx = turn(0, d.gx, d.gy, d.gz);
  out.dy = turn(1, d.gx, d.gy, d.gz);
  out.dz = turn(2, d.gx, d.gy, d.gz);
  return out;
}

}  // namespace hp::HP_ISA_NS
