// dL/d(dt) of one packet: a march forward, then its adjoint, of which only the lattice's part is kept.
//
// Where a ray's samples lie changes its integral little: the terms of the sum over n samples grow like n while the sum
// tends to 0. Single precision leaves no digits of it on a finely sampled ray, so kernels of every precision take it
// from the double lane.
#pragma once

#include "bodies/fused_adjoint.h"

namespace hp::HP_ISA_NS {

// A sink (fused_adjoint.h) that wants nothing.
struct NoSink {
  HP_FN bool values() const { return false; }
  HP_FN bool scene() const { return false; }
  template <class Cell>
  HP_FN void scatter1(const Cell&, F, M) {}
  template <class Cell>
  HP_FN void scatter4(const Cell&, int, int, const F*, M) {}
  template <class Cell>
  HP_FN void scatter16(const Cell&, const F*, M) {}
  HP_FN void add(int, F, M) {}
};

// `loss` says what the image's adjoint is, its tail being dL/dT_n; what the forward made of the ray is computed here.
template <bool kSpread, class Field>
HP_FN F step_adjoint(const Field& field, const Lattice& lattice, const March& s, Real early_stop, bool skip,
                     RayLoss loss) {
  constexpr int kAll = 0x7fffffff;
  Progress<kSpread> at = begin_progress<kSpread>(s.first);
  march_some(field, lattice, s, early_stop, skip, kAll, at);
  loss.whole_r = at.integral.r;
  loss.whole_g = at.integral.g;
  loss.whole_b = at.integral.b;
  loss.whole_depth = at.integral.depth;
  loss.whole_distortion = distortion_of(at.spread);
  loss.whole_transmittance = at.integral.transmittance();
  loss.tail = at.integral.transmittance() * loss.tail;
  at = begin_progress<kSpread>(s.first);
  RayTotals<Field> totals = RayTotals<Field>::zero();
  NoSink sink;
  march_adjoint<true>(field, lattice, s, early_stop, skip, kAll, loss, at, totals, sink);
  return totals.lattice.dt;
}

}  // namespace hp::HP_ISA_NS
