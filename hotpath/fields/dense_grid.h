// Sampling of a dense grid, and its adjoint. Grid space has voxel values at integer coordinates; beyond the outermost
// ones the edge value holds.
#pragma once

#include "bodies/adjoint.h"
#include "bodies/color.h"
#include "bodies/density.h"
#include "bodies/sample.h"
#include "fields/brick.h"
#include "fields/dense_grid_view.h"

namespace hp::HP_ISA_NS {

template <class S>
struct field_dense_grid {
  static constexpr bool kSkipsEmptySpace = false;
  static constexpr int kUnroll = 2;  // samples of a ray in flight
  using View = DenseGridView;

  // Where a position lies.
  struct Place {
    I ix, iy, iz, cell;
    F fx, fy, fz;
  };

  const View& v;
  Color color;
  F basis[kMaxBasis];  // of the ray, with spherical harmonics

  HP_FN field_dense_grid(const View& view, const ColorArgs& c) : v(view), color(c) {}
  HP_FN void begin_ray(F dx, F dy, F dz) {
    if (v.sh_degree > 0) spherical_harmonics(v.sh_degree, dx, dy, dz, basis);
  }

  HP_FN static void split(F p, int n, int nearest, I& cell, F& f) {
    F top = splat(Real(n - 1));
    if (nearest) {
      cell = to_int(min_of(max_of(p + splat(Real(0.5)), splat(0)), top));
      f = splat(0);
    } else {
      F q = min_of(max_of(p, splat(0)), top);
      cell = to_int(q);
      f = q - to_real(cell);
    }
  }
  // Positions outside the grid read the edge.
  HP_FN Place locate(F x, F y, F z) const {
    Place p;
    split(x, v.nx, v.nearest, p.ix, p.fx);
    split(y, v.ny, v.nearest, p.iy, p.fy);
    split(z, v.nz, v.nearest, p.iz, p.fz);
    p.cell = p.ix + p.iy * splat_int(v.pitch_y) + p.iz * splat_int(v.pitch_z);
    return p;
  }

  HP_FN Sample sample_at(const Place& p) const {
    // The usual grid in one branch: this loop is short.
    if (v.plain_color) {
      F out[4];
      channels4(p, 0, 4, p.fx, p.fy, p.fz, out);
      return {out[3] * splat(color.sigma_scale), out[0], out[1], out[2], out[3], out[3]};
    }
    return sample_other(p);
  }
  HP_FN Sample sample(F x, F y, F z) const { return sample_at(locate(x, y, z)); }

  HP_FN Sample sample_other(const Place& p) const {
    Sample s;
    if (v.channels == 4) {
      F out[4];
      channels4(p, 0, 4, p.fx, p.fy, p.fz, out);
      s = {out[3], out[0], out[1], out[2], out[3], out[3]};
    } else if (v.channels == 1) {
      s.raw = trilinear1(values(), p.cell, v.pitch_y, v.pitch_z, p.fx, p.fy, p.fz);
    } else {
      F rgb[3];
      sample_harmonics(p, s.raw, rgb);
      s.r = rgb[0];
      s.g = rgb[1];
      s.b = rgb[2];
    }
    s.density = activate(v.activation, s.raw);
    if (v.channels == 1) scalar_color(color, s.density, s.r, s.g, s.b);
    s.sigma = s.density * splat(color.sigma_scale);
    return s;
  }

  // What a ray's adjoint gathers besides FieldTotals.
  struct Totals {
    FieldTotals of;
    F basis[kMaxBasis];  // dL/d(basis)
    HP_FN static Totals zero() {
      Totals t;
      t.of = FieldTotals::zero();
      for (F& b : t.basis) b = splat(0);
      return t;
    }
  };

  // dL/d(values) into the sink. With kPlace also dL/d(position), grid space.
  template <bool kPlace, class Sink>
  HP_FN void adjoint_at(const Place& p, F x, F y, F z, const Sample& s, M live, const SampleAdjoint& d, Sink& sink,
                        Totals& totals, F d_position[3]) const {
    F d_density = d.sigma * splat(color.sigma_scale);
    if (sink.scene()) totals.of.sigma_scale = madd(d.sigma, s.density, totals.of.sigma_scale);
    if (v.channels == 1) {
      d_density = d_density + scalar_color_adjoint(color, s.density, live, d.r, d.g, d.b, sink, totals.of);
    }
    const F d_raw =
        v.activation == HP_ACTIVATION_IDENTITY ? d_density : d_density * activation_slope(v.activation, s.raw);
    Cell cell;
    cell.set((shift_right(p.iz, 3) * splat_int(v.bricks_y) + shift_right(p.iy, 3)) * splat_int(v.bricks_x) +
                 shift_right(p.ix, 3),
             p.ix, p.iy, p.iz, p.fx, p.fy, p.fz);
    F gradient[3] = {splat(0), splat(0), splat(0)};
    if (v.channels == 4) {
      const F value[4] = {d.r, d.g, d.b, d_raw};
      if (sink.values()) sink.scatter4(cell, 0, 4, value, live);
      if constexpr (kPlace) slopes4(p, 0, 4, value, gradient);
    } else if (v.channels == 1) {
      if (sink.values()) sink.scatter1(cell, d_raw, live);
      if constexpr (kPlace) {
        slopes(p, gradient, [&](F fx, F fy, F fz) {
          return d_raw * trilinear1(values(), p.cell, v.pitch_y, v.pitch_z, fx, fy, fz);
        });
      }
    } else {
      harmonics_adjoint<kPlace>(p, cell, s, live, d, d_raw, sink, totals, gradient);
    }
    if constexpr (kPlace) {
      // Where the edge value holds, nothing changes with the position. (At the last value of a row the cell's upper
      // half is padding.)
      auto inside = [&](F q, int n) { return both(live, both(splat(0) <= q, q < splat(Real(n - 1)))); };
      const F zero = splat(0);
      d_position[0] = select(inside(x, v.nx), gradient[0], zero);
      d_position[1] = select(inside(y, v.ny), gradient[1], zero);
      d_position[2] = select(inside(z, v.nz), gradient[2], zero);
    }
  }
  // dL/d(direction) of the ray, world space, added to d.
  HP_FN void end_ray_adjoint(const Totals& totals, F x, F y, F z, F& dx, F& dy, F& dz) const {
    if (v.sh_degree > 0) spherical_harmonics_adjoint(v.sh_degree, x, y, z, totals.basis, dx, dy, dz);
  }

 private:
  HP_FN const S* values() const { return static_cast<const S*>(v.values); }
  // Four adjacent channels from `first` of voxels that are `stride` values wide.
  HP_FN void channels4(const Place& p, int first, int stride, F fx, F fy, F fz, F out[4]) const {
    trilinear4(values() + first, p.cell, stride, static_cast<int64_t>(stride) * v.pitch_y,
               static_cast<int64_t>(stride) * v.pitch_z, fx, fy, fz, out);
  }

  // A trilinear function is linear along each axis: its slope is the value at one face of the cell less that at the
  // other.
  template <class Value>
  HP_FN void slopes(const Place& p, F gradient[3], Value value) const {
    if (v.nearest) return;
    const F zero = splat(0), one = splat(1);
    gradient[0] = gradient[0] + (value(one, p.fy, p.fz) - value(zero, p.fy, p.fz));
    gradient[1] = gradient[1] + (value(p.fx, one, p.fz) - value(p.fx, zero, p.fz));
    gradient[2] = gradient[2] + (value(p.fx, p.fy, one) - value(p.fx, p.fy, zero));
  }
  HP_SLOW_FN void slopes4(const Place& p, int first, int stride, const F d[4], F gradient[3]) const {
    slopes(p, gradient, [&](F fx, F fy, F fz) {
      F out[4];
      channels4(p, first, stride, fx, fy, fz, out);
      return madd(d[0], out[0], madd(d[1], out[1], madd(d[2], out[2], d[3] * out[3])));
    });
  }

  // Degree 1: thirteen channels, sixteen values as stored.
  HP_FN bool sixteen() const { return v.channel_stride == 16; }
  HP_FN void channels16(const Place& p, F out[16]) const {
#if defined(HP_LANE_HAS_VOXEL16)
    if constexpr (sizeof(S) == sizeof(float)) {
      trilinear16(values(), p.cell, int64_t{16} * v.pitch_y, int64_t{16} * v.pitch_z, p.fx, p.fy, p.fz, out);
      return;
    }
#endif
    for (int first = 0; first < 16; first += 4) channels4(p, first, 16, p.fx, p.fy, p.fz, out + first);
  }
  HP_SLOW_FN void sample_harmonics16(const Place& p, F& sigma, F rgb[3]) const {
    F out[16];
    channels16(p, out);
    for (int c = 0; c < 3; ++c) {
      rgb[c] = splat(Real(0.5));
      for (int term = 0; term < 4; ++term) rgb[c] = madd(out[4 * c + term], basis[term], rgb[c]);
      rgb[c] = max_of(splat(0), rgb[c]);
    }
    sigma = out[12];
  }

  // max(0, 1/2 + sum c_i Y_i) per colour; four channels at a time.
  HP_SLOW_FN void sample_harmonics(const Place& p, F& sigma, F rgb[3]) const {
    if (sixteen()) return sample_harmonics16(p, sigma, rgb);
    const int terms = (v.sh_degree + 1) * (v.sh_degree + 1);
    for (int c = 0; c < 3; ++c) rgb[c] = splat(Real(0.5));
    int term = 0, c = 0;
    for (int group = 0; 4 * group < v.channels; ++group) {
      F out[4];
      channels4(p, 4 * group, v.channel_stride, p.fx, p.fy, p.fz, out);
      for (int j = 0; j < 4 && c <= 3; ++j) {
        if (c == 3) {
          sigma = out[j];
          ++c;
          break;
        }
        rgb[c] = madd(out[j], basis[term], rgb[c]);
        if (++term == terms) {
          term = 0;
          ++c;
        }
      }
    }
    for (int i = 0; i < 3; ++i) rgb[i] = max_of(splat(0), rgb[i]);
  }
  template <bool kPlace, class Sink>
  HP_SLOW_FN void harmonics_adjoint(const Place& p, const Cell& cell, const Sample& s, M live, const SampleAdjoint& d,
                                    F d_raw, Sink& sink, Totals& totals, F gradient[3]) const {
    const int terms = (v.sh_degree + 1) * (v.sh_degree + 1);
    const F zero = splat(0);
    // A colour that was cut at 0 does not change.
    const F d_rgb[3] = {select(s.r > zero, d.r, zero), select(s.g > zero, d.g, zero), select(s.b > zero, d.b, zero)};
    if (!kPlace && sixteen()) {
      if (!sink.values()) return;
      F value[16];
      for (int i = 0; i < 12; ++i) value[i] = d_rgb[i / 4] * basis[i % 4];
      value[12] = d_raw;
      value[13] = value[14] = value[15] = zero;
      sink.scatter16(cell, value, live);
      return;
    }
    int term = 0, c = 0;
    for (int group = 0; 4 * group < v.channels; ++group) {
      F value[4] = {zero, zero, zero, zero};
      [[maybe_unused]] F out[4];
      if constexpr (kPlace) channels4(p, 4 * group, v.channel_stride, p.fx, p.fy, p.fz, out);
      for (int j = 0; j < 4 && c <= 3; ++j) {
        if (c == 3) {
          value[j] = d_raw;
          ++c;
          break;
        }
        value[j] = d_rgb[c] * basis[term];
        if constexpr (kPlace) totals.basis[term] = madd(d_rgb[c], out[j], totals.basis[term]);
        if (++term == terms) {
          term = 0;
          ++c;
        }
      }
      if (sink.values()) sink.scatter4(cell, 4 * group, v.channel_stride, value, live);
      if constexpr (kPlace) slopes4(p, 4 * group, v.channel_stride, value, gradient);
    }
  }
};

}  // namespace hp::HP_ISA_NS
