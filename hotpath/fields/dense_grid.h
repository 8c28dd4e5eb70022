// Sampling of a dense grid. Grid space has voxel values at integer coordinates; beyond the outermost ones the edge
// value holds.
#pragma once

#include "bodies/color.h"
#include "fields/dense_grid_view.h"

namespace hp::HP_ISA_NS {

template <class S>
struct field_dense_grid {
  static constexpr bool kSkipsEmptySpace = false;
  static constexpr int kUnroll = 2;  // samples of a ray in flight
  using View = DenseGridView;

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

  // sigma is scaled. Positions outside the grid read the edge.
  HP_FN void sample(F x, F y, F z, F& sigma, F& r, F& g, F& b) const {
    I ix, iy, iz;
    F fx, fy, fz;
    split(x, v.nx, v.nearest, ix, fx);
    split(y, v.ny, v.nearest, iy, fy);
    split(z, v.nz, v.nearest, iz, fz);
    I cell = ix + iy * splat_int(v.pitch_y) + iz * splat_int(v.pitch_z);
    const S* values = static_cast<const S*>(v.values);
    if (v.channels == 4) {
      F out[4];
      trilinear4(values, cell, 4, int64_t{4} * v.pitch_y, int64_t{4} * v.pitch_z, fx, fy, fz, out);
      r = out[0];
      g = out[1];
      b = out[2];
      sigma = out[3];
    } else if (v.channels == 1) {
      sigma = trilinear1(values, cell, v.pitch_y, v.pitch_z, fx, fy, fz);
      scalar_color(color, sigma, r, g, b);
    } else {
      F rgb[3];
      sample_harmonics(values, cell, fx, fy, fz, sigma, rgb);
      r = rgb[0];
      g = rgb[1];
      b = rgb[2];
    }
    sigma = sigma * splat(color.sigma_scale);
  }

 private:
  // max(0, 1/2 + sum c_i Y_i) per colour; four channels at a time.
  HP_SLOW_FN void sample_harmonics(const S* values, I cell, F fx, F fy, F fz, F& sigma, F rgb[3]) const {
    const int terms = (v.sh_degree + 1) * (v.sh_degree + 1), stride = v.channel_stride;
    for (int c = 0; c < 3; ++c) rgb[c] = splat(Real(0.5));
    int term = 0, c = 0;
    for (int group = 0; 4 * group < v.channels; ++group) {
      F out[4];
      trilinear4(values + 4 * group, cell, stride, static_cast<int64_t>(stride) * v.pitch_y,
                 static_cast<int64_t>(stride) * v.pitch_z, fx, fy, fz, out);
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
};

}  // namespace hp::HP_ISA_NS
