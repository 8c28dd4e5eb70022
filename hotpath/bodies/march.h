// The lattice of a ray: clip to the field's box, which segments are not empty, where each one is sampled.
//   segment k = [t_near + k dt, t_near + (k+1) dt] cut by [t0, t1];  t comes from k by fma, never by accumulation
#pragma once

#include "bodies/args.h"
#include "bodies/ray_packet.h"
#include "hotpath_sampler_includes.inc"
#include "lanes/math.h"

namespace hp::HP_ISA_NS {

// Field geometry in this precision.
struct Grid {
  Real m[12], lo[3], hi[3];
  bool unbounded;
  HP_FN explicit Grid(const FieldArgs& f) : unbounded(f.unbounded != 0) {
    for (int i = 0; i < 12; ++i) m[i] = Real(f.world_to_grid[i]);
    for (int i = 0; i < 3; ++i) {
      lo[i] = Real(f.lo[i]);
      hi[i] = Real(f.hi[i]);
    }
  }
};

struct Lattice {
  Real dt, inv_dt;
  int max_steps, sampler;
  uint64_t seed;
  HP_FN explicit Lattice(const PlanArgs& p)
      : dt(Real(p.dt)), inv_dt(Real(1) / Real(p.dt)), max_steps(p.max_steps), sampler(p.sampler), seed(p.seed) {}
};

// Lattice indices stay exact in float up to here; rays that reach further are cut and counted.
inline constexpr int kMaxLatticeIndex = 1 << 24;

struct March {
  F px, py, pz;  // ray in grid space: p(t) = (px, py, pz) + t (gx, gy, gz)
  F gx, gy, gz;
  F t_near, t0, t1;
  I first, last;  // segments first … last; none when last < first
  M truncated;
  U id_low, id_high;
  F offset;  // of the sampler, where all segments have the same
};

HP_FN F transform_row(const Real* m, F x, F y, F z) {
  return madd(splat(m[0]), x, madd(splat(m[1]), y, madd(splat(m[2]), z, splat(m[3]))));
}

// Cuts [t0, t1] by lo <= p + t g <= hi. A component that does not move is decided by comparison.
HP_FN void clip_axis(F p, F g, Real lo, Real hi, F& t0, F& t1) {
  M still = g == splat(0);
  F divisor = select(still, splat(1), g);
  F a = (splat(lo) - p) / divisor, b = (splat(hi) - p) / divisor;
  F enter = min_of(a, b), leave = max_of(a, b);
  M inside = both(splat(lo) <= p, p <= splat(hi));
  // Outside and still: an empty interval.
  t0 = select(still, t0, max_of(enter, t0));
  t1 = select(still, select(inside, t1, t0), min_of(leave, t1));
}

HP_FN F sampler_ray_offset(const Lattice& lattice, U id_low, U id_high) {
  switch (lattice.sampler) {
#define HP_SAMPLER(index, name) \
  case index:                   \
    return sampler_##name::ray_offset(lattice.seed, id_low, id_high);
#include "hotpath_samplers.inc"
#undef HP_SAMPLER
    default:
      return splat(Real(0.5));
  }
}

HP_FN March start_march(const Grid& grid, const Lattice& lattice, const RayPacket& ray) {
  March s;
  s.px = transform_row(grid.m, ray.ox, ray.oy, ray.oz);
  s.py = transform_row(grid.m + 4, ray.ox, ray.oy, ray.oz);
  s.pz = transform_row(grid.m + 8, ray.ox, ray.oy, ray.oz);
  s.gx = madd(splat(grid.m[0]), ray.dx, madd(splat(grid.m[1]), ray.dy, splat(grid.m[2]) * ray.dz));
  s.gy = madd(splat(grid.m[4]), ray.dx, madd(splat(grid.m[5]), ray.dy, splat(grid.m[6]) * ray.dz));
  s.gz = madd(splat(grid.m[8]), ray.dx, madd(splat(grid.m[9]), ray.dy, splat(grid.m[10]) * ray.dz));
  s.t_near = ray.t_near;
  s.t0 = ray.t_near;
  s.t1 = ray.t_far;
  s.id_low = ray.id_low;
  s.id_high = ray.id_high;
  s.offset = sampler_ray_offset(lattice, ray.id_low, ray.id_high);
  if (!grid.unbounded) {
    clip_axis(s.px, s.gx, grid.lo[0], grid.hi[0], s.t0, s.t1);
    clip_axis(s.py, s.gy, grid.lo[1], grid.hi[1], s.t0, s.t1);
    clip_axis(s.pz, s.gz, grid.lo[2], grid.hi[2], s.t0, s.t1);
  }
  M live = both(ray.live, s.t0 < s.t1);
  const F zero = splat(0), limit = splat(Real(kMaxLatticeIndex)), dt = splat(lattice.dt), one = splat(1);
  F from = round_down((s.t0 - s.t_near) / dt), to = round_down((s.t1 - s.t_near) / dt);
  M beyond = to >= limit;  // also where t1 is infinite
  from = min_of(max_of(from, zero), limit);
  to = min_of(max_of(to, zero), limit);
  // Rounding may be off by one: the first segment ends behind t0, the last begins before t1.
  from = select(madd(from + one, dt, s.t_near) <= s.t0, from + one, from);
  from = select(both(from > zero, madd(from, dt, s.t_near) > s.t0), from - one, from);
  to = select(madd(to, dt, s.t_near) >= s.t1, to - one, to);
  to = select(madd(to + one, dt, s.t_near) < s.t1, to + one, to);
  to = select(beyond, limit - one, to);
  I first = to_int(from), last = to_int(to);
  I cut = first + splat_int(lattice.max_steps - 1);
  s.truncated = both(live, either(beyond, without(less_equal(first, last), less_equal(last, cut))));
  s.first = select(live, first, splat_int(0));
  s.last = select(live, int_min(last, cut), splat_int(-1));
  // Rays without samples stay at the origin of the grid, so that their lanes compute with small finite numbers.
  M idle = without(splat_mask(true), live);
  s.px = select(idle, zero, s.px);
  s.py = select(idle, zero, s.py);
  s.pz = select(idle, zero, s.pz);
  s.gx = select(idle, zero, s.gx);
  s.gy = select(idle, zero, s.gy);
  s.gz = select(idle, zero, s.gz);
  s.t0 = select(idle, zero, s.t0);
  s.t1 = select(idle, zero, s.t1);
  s.t_near = select(idle, zero, s.t_near);
  return s;
}

// How far along the ray the block of `size` cells (a power of two) around `cell`, and `more` cells on either side of
// it, reaches on one axis, less `margin` grid units. Cells are counted from `shift` before the origin of grid space.
// (p0, g): the ray; inverse: 1/g.
HP_FN F exit_block_axis(I cell, I size, I more, int shift, F p0, F g, F inverse, F margin) {
  I low = cell - bit_and_lanes(cell, size - splat_int(1)) - splat_int(shift);
  F lo = to_real(low - more) + margin, hi = to_real(low + size + more) - margin;
  F plane = select(g < splat(0), lo, hi);
  return select(g == splat(0), splat(Real(1e30)), (plane - p0) * inverse);
}

HP_FN F sampler_offset(const Lattice& lattice, const March& s, I k) {
  switch (lattice.sampler) {
#define HP_SAMPLER(index, name) \
  case index:                   \
    return sampler_##name::offset(lattice.seed, s.id_low, s.id_high, k, s.offset);
#include "hotpath_samplers.inc"
#undef HP_SAMPLER
    default:
      return splat(Real(0.5));
  }
}

// Place t and length of segment k. Only a first or last segment can be cut; `ends` says that some lane has one.
HP_FN void place_sample(const Lattice& lattice, const March& s, I k, bool ends, F& t, F& length) {
  const F dt = splat(lattice.dt), kf = to_real(k);
  F begin = madd(kf, dt, s.t_near);
  length = dt;
  if (ends) {
    F end = madd(kf + splat(1), dt, s.t_near);
    M cut = either(begin<s.t0, end> s.t1);
    begin = max_of(begin, s.t0);
    length = select(cut, min_of(end, s.t1) - begin, length);
  }
  t = madd(sampler_offset(lattice, s, k), length, begin);
}

}  // namespace hp::HP_ISA_NS
