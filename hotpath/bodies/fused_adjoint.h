// The recomputing backward of one packet: the march of fused.h again, and every sample's adjoint as it comes by.
//
// A sink takes what many rays add to:
//   bool values(), scene();                                   what is wanted, uniform
//   void scatter1(cell, F, M live);                           one value per voxel
//   void scatter4(cell, first, stride, const F[4], M live);   four adjacent of `stride` values per voxel
//   void scatter16(cell, const F[16], M live);                all values of voxels that are 16 wide
//   void add(int hp_sum, F, M live);
#pragma once

#include "bodies/adjoint.h"
#include "bodies/fused.h"

namespace hp::HP_ISA_NS {

// Sums over the samples of a ray.
template <class Field>
struct RayTotals {
  typename Field::Totals field;
  GridRayAdjoint ray;
  LatticeAdjoint lattice;
  HP_FN static RayTotals zero() { return {Field::Totals::zero(), GridRayAdjoint::zero(), LatticeAdjoint::zero()}; }
};

// dL/d(sample) to the field, the ray and the lattice.
template <bool kPlace, class Field, class Sink>
HP_FN void sample_adjoint(const Field& field, const Lattice& lattice, const March& s,
                          const typename Field::Place& place, const Sample& here, I k, F t, M live,
                          const SampleAdjoint& d, Sink& sink, RayTotals<Field>& totals) {
  F d_position[3];
  const F x = madd(t, s.gx, s.px), y = madd(t, s.gy, s.py), z = madd(t, s.gz, s.pz);
  field.template adjoint_at<kPlace>(place, x, y, z, here, live, d, sink, totals.field, d_position);
  if constexpr (kPlace) {
    GridRayAdjoint& r = totals.ray;
    const F zero = splat(0), td = select(live, t, zero);
    r.px = r.px + d_position[0];
    r.py = r.py + d_position[1];
    r.pz = r.pz + d_position[2];
    r.gx = madd(td, d_position[0], r.gx);
    r.gy = madd(td, d_position[1], r.gy);
    r.gz = madd(td, d_position[2], r.gz);
    const F d_t = madd(d_position[0], s.gx, madd(d_position[1], s.gy, madd(d_position[2], s.gz, d.t)));
    place_sample_adjoint(lattice, s, k, select(live, d_t, zero), select(live, d.length, zero), totals.lattice);
  }
}

// At most `rounds` rounds of one segment per lane, in the order of march_everywhere and march_skipping.
template <bool kPlace, bool kSpread, class Field, class Sink>
HP_FN void march_adjoint(const Field& field, const Lattice& lattice, const March& s, Real early_stop, bool skip,
                         int rounds, const RayLoss& loss, Progress<kSpread>& progress, RayTotals<Field>& totals_,
                         Sink& sink) {
  Progress<kSpread> at = progress;  // in registers
  RayTotals<Field> totals = totals_;
  auto step = [&](const typename Field::Place& place, M live, F t, F length) {
    const Sample here = field.sample_at(place);
    const SampleAdjoint d =
        integrate_sample_adjoint(at.integral, at.spread, live, loss, t, length, here.sigma, here.r, here.g, here.b);
    sample_adjoint<kPlace>(field, lattice, s, place, here, at.k, t, live, d, sink, totals);
    count_sample(live, at);
    at.k = at.k + splat_int(1);
  };
  if constexpr (Field::kSkipsEmptySpace) {
    const EmptySpace<Field> space(field, s);
    for (; rounds > 0; --rounds) {
      M live = stop_lanes(early_stop, without(less_equal(at.k, s.last), at.stopped), at);
      typename Field::Place place;
      F t, length;
      live = seek(field, space, lattice, s, skip, live, at.k, place, t, length);
      if (!any(live)) {
        at.done = true;
        break;
      }
      step(place, live, t, length);
    }
  } else {
    for (; rounds > 0; --rounds) {
      M live = stop_lanes(early_stop, without(less_equal(at.k, s.last), at.stopped), at);
      if (!any(live)) {
        at.done = true;
        break;
      }
      const bool ends = any(both(live, either(equal(at.k, s.first), less_equal(s.last, at.k))));
      F t, length;
      place_sample(lattice, s, at.k, ends, t, length);
      step(field.locate(madd(t, s.gx, s.px), madd(t, s.gy, s.py), madd(t, s.gz, s.pz)), live, t, length);
    }
  }
  progress = at;
  totals_ = totals;
}

}  // namespace hp::HP_ISA_NS
