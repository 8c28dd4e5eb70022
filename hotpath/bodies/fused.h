// The fused forward of one packet: march, sample, integrate; nothing is stored per sample.
#pragma once

#include "bodies/integrate.h"
#include "bodies/march.h"

namespace hp::HP_ISA_NS {

struct PacketCounts {
  int64_t samples = 0, early_stopped = 0, truncated = 0;
};

// Moves lanes in empty space to the first segment that reaches out of their block. Segments in between lie wholly in
// the block, where the field is exactly 0: skipping them changes no bits.
template <class Field>
struct EmptySpace {
  F inverse_x, inverse_y, inverse_z, margin;
  HP_FN explicit EmptySpace(const Field& field, const March& s) {
    auto invert = [](F g) { return splat(1) / select(g == splat(0), splat(1), g); };
    inverse_x = invert(s.gx);
    inverse_y = invert(s.gy);
    inverse_z = invert(s.gz);
    // Rounding moves a position by a few units in the last place of the largest coordinate on the way.
    const int nodes = field.v.nodes_x + field.v.nodes_y + field.v.nodes_z;
    margin = (abs_of(s.px) + abs_of(s.py) + abs_of(s.pz) + splat(Real(128 * nodes))) * splat(Real(1.0 / (1 << 20)));
  }
  HP_FN I next(const typename Field::Place& place, const Lattice& lattice, const March& s, I k) const {
    F t = Field::exit(place, s, inverse_x, inverse_y, inverse_z, margin);
    F reached = round_down((t - s.t_near) * splat(lattice.inv_dt) - splat(Real(1e-3)));
    reached = min_of(max_of(reached, splat(0)), splat(Real(kMaxLatticeIndex)));
    return int_max(k + splat_int(1), to_int(reached));
  }
};

template <class Field>
HP_FN void march_packet(Field& field, const Lattice& lattice, const March& s, Real early_stop, bool skip,
                        Integral& integral, PacketCounts& counts) {
  I k = s.first;
  M stopped = splat_mask(false);
  const bool stops = early_stop > Real(0);
  const F threshold = splat(early_stop);
  auto stop_lanes = [&](M live) {
    if (stops) {
      M ends = both(live, integral.transmittance() < threshold);
      stopped = either(stopped, ends);
      live = without(live, ends);
    }
    return live;
  };
  for (;;) {
    M live = stop_lanes(without(less_equal(k, s.last), stopped));
    if (!any(live)) break;
    if constexpr (Field::kSkipsEmptySpace) {
      typename Field::Place place;
      F t, length;
      if (skip) {
        const EmptySpace<Field> space(field, s);
        for (;;) {
          place_sample(lattice, s, k, true, t, length);
          place = field.locate(madd(t, s.gx, s.px), madd(t, s.gy, s.py), madd(t, s.gz, s.pz));
          M empty = both(live, field.empty(place));
          if (!any(empty)) break;
          k = select(empty, space.next(place, lattice, s, k), k);
          live = both(live, less_equal(k, s.last));
          if (!any(live)) break;
        }
        if (!any(live)) continue;
      } else {
        place_sample(lattice, s, k, true, t, length);
        place = field.locate(madd(t, s.gx, s.px), madd(t, s.gy, s.py), madd(t, s.gz, s.pz));
      }
      F sigma, r, g, b;
      field.sample_at(place, sigma, r, g, b);
      integrate_sample(integral, live, t, length, sigma, r, g, b);
      counts.samples += count_of(live);
      k = k + splat_int(1);
    } else if constexpr (Field::kUnroll == 2) {
      // Two samples in flight hide latency. The second is taken before it is known that the ray goes on; if it does
      // not, its lane is masked.
      const I k1 = k + splat_int(1);
      const bool ends = any(both(live, either(equal(k, s.first), less_equal(s.last, k1))));
      F t0, l0, t1, l1, sigma0, r0, g0, b0, sigma1, r1, g1, b1;
      place_sample(lattice, s, k, ends, t0, l0);
      place_sample(lattice, s, k1, ends, t1, l1);
      field.sample(madd(t0, s.gx, s.px), madd(t0, s.gy, s.py), madd(t0, s.gz, s.pz), sigma0, r0, g0, b0);
      field.sample(madd(t1, s.gx, s.px), madd(t1, s.gy, s.py), madd(t1, s.gz, s.pz), sigma1, r1, g1, b1);
      integrate_sample(integral, live, t0, l0, sigma0, r0, g0, b0);
      M live1 = stop_lanes(both(live, less_equal(k1, s.last)));
      integrate_sample(integral, live1, t1, l1, sigma1, r1, g1, b1);
      counts.samples += count_of(live) + count_of(live1);
      k = k1 + splat_int(1);
    } else {
      const bool ends = any(both(live, either(equal(k, s.first), less_equal(s.last, k))));
      F t, length, sigma, r, g, b;
      place_sample(lattice, s, k, ends, t, length);
      field.sample(madd(t, s.gx, s.px), madd(t, s.gy, s.py), madd(t, s.gz, s.pz), sigma, r, g, b);
      integrate_sample(integral, live, t, length, sigma, r, g, b);
      counts.samples += count_of(live);
      k = k + splat_int(1);
    }
  }
  // A ray cut by max_steps that is opaque by then would have stopped there.
  M truncated = without(s.truncated, stopped);
  if (stops) {
    M opaque = both(truncated, integral.transmittance() < threshold);
    stopped = either(stopped, opaque);
    truncated = without(truncated, opaque);
  }
  counts.early_stopped += count_of(stopped);
  counts.truncated += count_of(truncated);
}

// Image values of a ray: over the background, and the mask of hits.
struct Pixel {
  F r, g, b, opacity, transmittance, depth, hit;
};

HP_FN Pixel compose(const double background[3], F r, F g, F b, F transmittance, F opacity, F depth) {
  Pixel p;
  p.r = madd(transmittance, splat(Real(background[0])), r);
  p.g = madd(transmittance, splat(Real(background[1])), g);
  p.b = madd(transmittance, splat(Real(background[2])), b);
  p.opacity = opacity;
  p.transmittance = transmittance;
  p.depth = depth;
  p.hit = select(opacity > splat(Real(0.5)), splat(1), splat(0));
  return p;
}

}  // namespace hp::HP_ISA_NS
