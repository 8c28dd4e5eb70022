// Sampling of a NanoVDB fog volume, and its adjoint: trilinear between values at integer index coordinates, as
// OpenVDB's BoxSampler does. Parameters are the values of leaf nodes.
#pragma once

#include "bodies/adjoint.h"
#include "bodies/color.h"
#include "bodies/march.h"
#include "bodies/sample.h"
#include "fields/brick.h"
#include "fields/nanovdb_view.h"

namespace hp::HP_ISA_NS {

template <class S>
struct field_nanovdb {
  static constexpr bool kSkipsEmptySpace = true;
  static constexpr int kUnroll = 1;
  using View = NanoVdbView;

  // Where a position lies.
  struct Place {
    I ix, iy, iz;  // cell in the table
    F fx, fy, fz;
    I node, brick;
  };

  const View& v;
  Color color;

  HP_FN field_nanovdb(const View& view, const ColorArgs& c) : v(view), color(c) {}
  HP_FN void begin_ray(F, F, F) {}

  HP_FN static void split(F p, int nodes, int shift, I& cell, F& f) {
    // The box leaves a voxel of room inside the table; only lanes without a live ray are moved by this.
    F q = min_of(max_of(p, splat(0)), splat(Real(128 * nodes - 1 - shift)));
    cell = to_int(q);
    f = q - to_real(cell);
    cell = cell + splat_int(shift);
  }

  HP_FN Place locate(F x, F y, F z) const {
    Place p;
    split(x, v.nodes_x, v.shift_x, p.ix, p.fx);
    split(y, v.nodes_y, v.shift_y, p.iy, p.fy);
    split(z, v.nodes_z, v.shift_z, p.iz, p.fz);
    I node_cell = (shift_right(p.iz, 7) * splat_int(v.nodes_y) + shift_right(p.iy, 7)) * splat_int(v.nodes_x) +
                  shift_right(p.ix, 7);
    p.node = gather_int(v.nodes, node_cell);
    I block = shift_left(bit_and(shift_right(p.iz, 3), 15), 8) + shift_left(bit_and(shift_right(p.iy, 3), 15), 4) +
              bit_and(shift_right(p.ix, 3), 15);
    p.brick = gather_int(v.leaves, shift_left(p.node, 12) + block);
    return p;
  }
  // Grid units across, at least.
  HP_FN int extent() const { return 128 * (v.nodes_x + v.nodes_y + v.nodes_z); }
  HP_FN void saw(const Place&, M, F) const {}
  HP_FN M empty(const Place& p) const { return equal(p.brick, splat_int(0)); }

  // How far along the ray the empty block reaches, less `margin` grid units for rounding.
  HP_FN F exit(const Place& p, const March& s, F inverse_x, F inverse_y, F inverse_z, F margin) const {
    I size = select(equal(p.node, splat_int(0)), splat_int(128), splat_int(8));
    F x = exit_block_axis(p.ix, size, splat_int(0), v.shift_x, s.px, s.gx, inverse_x, margin);
    F y = exit_block_axis(p.iy, size, splat_int(0), v.shift_y, s.py, s.gy, inverse_y, margin);
    F z = exit_block_axis(p.iz, size, splat_int(0), v.shift_z, s.pz, s.gz, inverse_z, margin);
    return min_of(x, min_of(y, z));
  }

  HP_FN Sample sample_at(const Place& p) const {
    Sample s;
    s.raw = s.density = value_at(p, p.fx, p.fy, p.fz);
    scalar_color(color, s.density, s.r, s.g, s.b);
    s.sigma = s.density * splat(color.sigma_scale);
    return s;
  }
  HP_FN Sample sample(F x, F y, F z) const { return sample_at(locate(x, y, z)); }

  struct Totals {
    FieldTotals of;
    HP_FN static Totals zero() { return {FieldTotals::zero()}; }
  };

  // dL/d(values) into the sink. With kPlace also dL/d(position), grid space. Where a block's whole support is 0 both
  // are 0.
  template <bool kPlace, class Sink>
  HP_FN void adjoint_at(const Place& p, F, F, F, const Sample& s, M live, const SampleAdjoint& d, Sink& sink,
                        Totals& totals, F d_position[3]) const {
    if (sink.scene()) totals.of.sigma_scale = madd(d.sigma, s.density, totals.of.sigma_scale);
    const F d_value = d.sigma * splat(color.sigma_scale) +
                      scalar_color_adjoint(color, s.density, live, d.r, d.g, d.b, sink, totals.of);
    if (sink.values()) {
      Cell cell;
      cell.set(p.brick, p.ix, p.iy, p.iz, p.fx, p.fy, p.fz);
      sink.scatter1(cell, d_value, both(live, equal(gather_int(v.owned, p.brick), splat_int(1))));
    }
    if constexpr (kPlace) {
      const F zero = splat(0), one = splat(1);
      const M there = without(live, empty(p));
      d_position[0] = select(there, d_value * (value_at(p, one, p.fy, p.fz) - value_at(p, zero, p.fy, p.fz)), zero);
      d_position[1] = select(there, d_value * (value_at(p, p.fx, one, p.fz) - value_at(p, p.fx, zero, p.fz)), zero);
      d_position[2] = select(there, d_value * (value_at(p, p.fx, p.fy, one) - value_at(p, p.fx, p.fy, zero)), zero);
    }
  }
  HP_FN void end_ray_adjoint(const Totals&, F, F, F, F&, F&, F&) const {}

 private:
  HP_FN F value_at(const Place& p, F fx, F fy, F fz) const {
    I cell = p.brick * splat_int(kBrickValues) + bit_and(p.iz, 7) * splat_int(kBrickSlice) +
             bit_and(p.iy, 7) * splat_int(kBrickRow) + bit_and(p.ix, 7);
    return trilinear1(v.bricks, cell, kBrickRow, kBrickSlice, fx, fy, fz);
  }
};

}  // namespace hp::HP_ISA_NS
