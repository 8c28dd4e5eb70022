// The fused forward of one packet: march, sample, integrate; nothing is stored per sample.
#pragma once

#include "bodies/integrate.h"
#include "bodies/march.h"
#include "bodies/sample.h"

namespace hp::HP_ISA_NS {

// Moves lanes in empty space to the first segment that reaches out of their block. Segments in between lie wholly in
// the block, where the field is exactly 0: skipping them changes no bits.
template <class Field>
struct EmptySpace {
  const Field& field;
  F inverse_x, inverse_y, inverse_z, margin;
  HP_FN EmptySpace(const Field& of, const March& s) : field(of) {
    auto invert = [](F g) { return splat(1) / select(g == splat(0), splat(1), g); };
    inverse_x = invert(s.gx);
    inverse_y = invert(s.gy);
    inverse_z = invert(s.gz);
    // Rounding moves a position by a few units in the last place of the largest coordinate on the way, which begins at
    // the ray's origin or, for given rays, as far behind it as t_near says.
    const F behind = abs_of(s.t_near) * (abs_of(s.gx) + abs_of(s.gy) + abs_of(s.gz));
    margin = (abs_of(s.px) + abs_of(s.py) + abs_of(s.pz) + behind + splat(Real(field.extent()))) *
             splat(Real(1.0 / (1 << 20)));
  }
  HP_FN I next(const typename Field::Place& place, const Lattice& lattice, const March& s, I k) const {
    F t = field.exit(place, s, inverse_x, inverse_y, inverse_z, margin);
    F reached = round_down((t - s.t_near) * splat(lattice.inv_dt) - splat(Real(1e-3)));
    reached = min_of(max_of(reached, splat(0)), splat(Real(kMaxLatticeIndex)));
    return int_max(k + splat_int(1), to_int(reached));
  }
};

// How far a packet has come. A march can pause after any number of segments and go on later: the same bits.
// kSpread: the ray is asked for its distortion.
template <bool kSpread>
struct Progress {
  Integral integral;
  typename SpreadOf<kSpread>::Type spread;
  I k;
  M stopped;  // ended by early stop
  I samples;  // taken
  bool done;
};

template <bool kSpread>
HP_FN Progress<kSpread> begin_progress(I first) {
  return {Integral::begin(), SpreadOf<kSpread>::Type::begin(), first, splat_mask(false), splat_int(0), false};
}

template <bool kSpread>
HP_FN void count_sample(M live, Progress<kSpread>& at) {
  at.samples = select(live, at.samples + splat_int(1), at.samples);
}

// Takes lanes out of `live` whose transmittance is below the threshold.
template <bool kSpread>
HP_FN M stop_lanes(Real early_stop, M live, Progress<kSpread>& at) {
  if (early_stop > Real(0)) {
    M ends = both(live, at.integral.transmittance() < splat(early_stop));
    at.stopped = either(at.stopped, ends);
    live = without(live, ends);
  }
  return live;
}

// A field without empty space to skip: at most `rounds` rounds of Field::kUnroll segments per lane.
template <bool kSpread, class Field>
HP_FN void march_everywhere(const Field& field, const Lattice& lattice, const March& s, Real early_stop, int rounds,
                            Progress<kSpread>& at) {
  const I one = splat_int(1);
  for (; rounds > 0; --rounds) {
    M live = stop_lanes(early_stop, without(less_equal(at.k, s.last), at.stopped), at);
    if (!any(live)) {
      at.done = true;
      break;
    }
    F t, length;
    if constexpr (Field::kUnroll == 2) {
      // Two samples in flight hide latency. The second is taken before it is known that the ray goes on; if it does
      // not, its lane is masked.
      const I k1 = at.k + one;
      const bool ends = any(both(live, either(equal(at.k, s.first), less_equal(s.last, k1))));
      F t1, length1;
      place_sample(lattice, s, at.k, ends, t, length);
      place_sample(lattice, s, k1, ends, t1, length1);
      const Sample here = field.sample(madd(t, s.gx, s.px), madd(t, s.gy, s.py), madd(t, s.gz, s.pz));
      const Sample next = field.sample(madd(t1, s.gx, s.px), madd(t1, s.gy, s.py), madd(t1, s.gz, s.pz));
      integrate_sample(at.integral, at.spread, live, t, length, here.sigma, here.r, here.g, here.b);
      M live1 = stop_lanes(early_stop, both(live, less_equal(k1, s.last)), at);
      integrate_sample(at.integral, at.spread, live1, t1, length1, next.sigma, next.r, next.g, next.b);
      count_sample(live, at);
      count_sample(live1, at);
      at.k = k1 + one;
    } else {
      const bool ends = any(both(live, either(equal(at.k, s.first), less_equal(s.last, at.k))));
      place_sample(lattice, s, at.k, ends, t, length);
      const Sample here = field.sample(madd(t, s.gx, s.px), madd(t, s.gy, s.py), madd(t, s.gz, s.pz));
      integrate_sample(at.integral, at.spread, live, t, length, here.sigma, here.r, here.g, here.b);
      count_sample(live, at);
      at.k = at.k + one;
    }
  }
}

// Moves every live lane on to a segment where something is. Returns the lanes that found one.
template <class Field>
HP_FN M seek(const Field& field, const EmptySpace<Field>& space, const Lattice& lattice, const March& s, bool skip,
             M live, I& k, typename Field::Place& place, F& t, F& length) {
  while (any(live)) {
    place_sample(lattice, s, k, true, t, length);
    place = field.locate(madd(t, s.gx, s.px), madd(t, s.gy, s.py), madd(t, s.gz, s.pz));
    if (!skip) break;
    M empty = both(live, field.empty(place));
    if (!any(empty)) break;
    k = select(empty, space.next(place, lattice, s, k), k);
    live = both(live, less_equal(k, s.last));
  }
  return live;
}

// A field that knows its empty space: every lane first moves on to where something is, then all sample together.
template <bool kSpread, class Field>
HP_FN void march_skipping(const Field& field, const Lattice& lattice, const March& s, Real early_stop, bool skip,
                          int rounds, Progress<kSpread>& at) {
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
    const Sample here = field.sample_at(place);
    const F w = integrate_sample(at.integral, at.spread, live, t, length, here.sigma, here.r, here.g, here.b);
    field.saw(place, live, w);
    count_sample(live, at);
    at.k = at.k + splat_int(1);
  }
}

// Marches at most `rounds` rounds and notes in `progress` how far it came.
template <bool kSpread, class Field>
HP_FN void march_some(const Field& field, const Lattice& lattice, const March& s, Real early_stop, bool skip,
                      int rounds, Progress<kSpread>& progress) {
  Progress<kSpread> at = progress;  // in registers
  if constexpr (Field::kSkipsEmptySpace) {
    march_skipping(field, lattice, s, early_stop, skip, rounds, at);
  } else {
    march_everywhere(field, lattice, s, early_stop, rounds, at);
  }
  progress = at;
}

// How the rays of a packet that is done have ended, where not by leaving the field.
struct Ends {
  M stopped, truncated;  // by early stop, by max_steps
};

template <bool kSpread>
HP_FN Ends ends_of(const March& s, Real early_stop, const Progress<kSpread>& at) {
  // A ray cut by max_steps that is opaque by then would have stopped there.
  M stopped = at.stopped, truncated = without(s.truncated, stopped);
  if (early_stop > Real(0)) {
    M opaque = both(truncated, at.integral.transmittance() < splat(early_stop));
    stopped = either(stopped, opaque);
    truncated = without(truncated, opaque);
  }
  return {stopped, truncated};
}

// Image values of a ray: over the background, and the mask of hits.
struct Pixel {
  F r, g, b, opacity, transmittance, depth, distortion, hit;
  F radiance_r, radiance_g, radiance_b;  // without the background
};

HP_FN Pixel compose(const double background[3], F r, F g, F b, F transmittance, F opacity, F depth, F distortion) {
  Pixel p;
  p.radiance_r = r;
  p.radiance_g = g;
  p.radiance_b = b;
  p.r = madd(transmittance, splat(Real(background[0])), r);
  p.g = madd(transmittance, splat(Real(background[1])), g);
  p.b = madd(transmittance, splat(Real(background[2])), b);
  p.opacity = opacity;
  p.transmittance = transmittance;
  p.depth = depth;
  p.distortion = distortion;
  p.hit = select(opacity > splat(Real(0.5)), splat(1), splat(0));
  return p;
}

}  // namespace hp::HP_ISA_NS
