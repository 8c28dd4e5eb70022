// Sampling of a dense grid of which only some cells are there, and its adjoint. Where a cell is not there the density
// is 0 and its values get no gradient; a march passes such cells without sampling them.
#pragma once

#include "fields/dense_grid.h"

namespace hp::HP_ISA_NS {

template <class S>
struct field_dense_grid_masked {
  static constexpr bool kSkipsEmptySpace = true;
  static constexpr int kUnroll = 1;
  using View = DenseGridMaskedView;
  using Grid = field_dense_grid<S>;
  using Totals = typename Grid::Totals;

  struct Place {
    typename Grid::Place at;
    I brick, word, bit;  // of the cell in the mask
    M empty;
  };

  const View& v;
  Grid grid;

  HP_FN field_dense_grid_masked(const View& view, const ColorArgs& c) : v(view), grid(view.grid, c) {}
  HP_FN void begin_ray(F dx, F dy, F dz) { grid.begin_ray(dx, dy, dz); }

  HP_FN Place locate(F x, F y, F z) const {
    Place p;
    p.at = grid.locate(x, y, z);
    p.brick =
        (shift_right(p.at.iz, 3) * splat_int(v.grid.bricks_y) + shift_right(p.at.iy, 3)) * splat_int(v.grid.bricks_x) +
        shift_right(p.at.ix, 3);
    p.word = shift_left(p.brick, 4) + shift_left(bit_and(p.at.iz, 7), 1) + bit_and(shift_right(p.at.iy, 2), 1);
    p.bit = shift_left(bit_and(p.at.iy, 3), 3) + bit_and(p.at.ix, 7);
    p.empty = equal(bit_and_lanes(gather_int(v.cells, p.word), shift_left_lanes(splat_int(1), p.bit)), splat_int(0));
    return p;
  }
  HP_FN M empty(const Place& p) const { return p.empty; }
  HP_FN int extent() const { return v.grid.nx + v.grid.ny + v.grid.nz; }

  HP_FN F exit(const Place& p, const March& s, F inverse_x, F inverse_y, F inverse_z, F margin) const {
    const I what = gather_int(v.bricks, p.brick), zero = splat_int(0), one = splat_int(1);
    const M none = less_equal(what, zero);
    const I octant = bit_and(shift_right(p.at.ix, 2), 1) + shift_left(bit_and(shift_right(p.at.iy, 2), 1), 1) +
                     shift_left(bit_and(shift_right(p.at.iz, 2), 1), 2);
    const M quiet = equal(bit_and_lanes(what, shift_left_lanes(one, octant)), zero);
    const I size = select(none, splat_int(8), select(quiet, splat_int(4), one));
    const I more = select(none, shift_left(zero - one - what, 3), zero);
    const F x = exit_block_axis(p.at.ix, size, more, 0, s.px, s.gx, inverse_x, margin);
    const F y = exit_block_axis(p.at.iy, size, more, 0, s.py, s.gy, inverse_y, margin);
    const F z = exit_block_axis(p.at.iz, size, more, 0, s.pz, s.gz, inverse_z, margin);
    return min_of(x, min_of(y, z));
  }

  // Notes cells in which a ray has a weight worth keeping them for.
  HP_FN void saw(const Place& p, M live, F w) const {
    if (!v.seen) return;
    uint32_t left = mask_bits(both(live, w >= splat(Real(v.seen_weight))));
    if (left == 0) return;
    int32_t words[kWidth], bits[kWidth];
    store_lanes(p.word, words);
    store_lanes(p.bit, bits);
    for (; left != 0; left &= left - 1) {
      const int i = lowest_bit(left);
      note_seen(v.seen + words[i], uint32_t{1} << bits[i]);
    }
  }

  HP_FN Sample sample_at(const Place& p) const {
    Sample s = grid.sample_at(p.at);
    s.sigma = select(p.empty, splat(0), s.sigma);
    s.density = select(p.empty, splat(0), s.density);
    return s;
  }
  HP_FN Sample sample(F x, F y, F z) const { return sample_at(locate(x, y, z)); }

  template <bool kPlace, class Sink>
  HP_FN void adjoint_at(const Place& p, F x, F y, F z, const Sample& s, M live, const SampleAdjoint& d, Sink& sink,
                        Totals& totals, F d_position[3]) const {
    SampleAdjoint there = d;
    there.sigma = select(p.empty, splat(0), d.sigma);
    grid.template adjoint_at<kPlace>(p.at, x, y, z, s, without(live, p.empty), there, sink, totals, d_position);
  }
  HP_FN void end_ray_adjoint(const Totals& totals, F x, F y, F z, F& dx, F& dy, F& dz) const {
    grid.end_ray_adjoint(totals, x, y, z, dx, dy, dz);
  }
};

}  // namespace hp::HP_ISA_NS
