// An independent renderer in double precision, written from the project's conventions and not from the kernels: one ray
// at a time, plain loops, std:: functions. Tests compare the kernels with it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "support/hp_fixture.h"

namespace dvren::test {

// Philox4x32-10 as its authors define it (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3").
inline std::array<std::uint32_t, 4> Philox(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0], p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    k = {k[0] + 0x9E3779B9u, k[1] + 0xBB67AE85u};
  }
  return c;
}

// The value of a half (IEEE 754 binary16), from the definition of the format.
inline double HalfValue(std::uint16_t h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const double v = exponent == 31  ? (mantissa ? std::nan("") : INFINITY)
                   : exponent == 0 ? std::ldexp(mantissa, -24)
                                   : std::ldexp(1024 + mantissa, exponent - 25);
  return (h & 0x8000) ? -v : v;
}

// The half nearest to a number in its normal range or 0, ties to even.
inline std::uint16_t NearestHalf(double v) {
  if (v == 0) return 0;
  int exponent;
  std::frexp(v, &exponent);                                           // |v| in [2^(e-1), 2^e)
  const double unit = std::ldexp(1.0, std::max(exponent, -13) - 11);  // of a half there
  const double rounded = std::nearbyint(std::fabs(v) / unit) * unit;
  if (rounded < std::ldexp(1.0, -14)) {
    return static_cast<std::uint16_t>((v < 0 ? 0x8000 : 0) | static_cast<int>(rounded * 0x1p24));
  }
  std::frexp(rounded, &exponent);
  const int mantissa = static_cast<int>(std::ldexp(rounded, 11 - exponent)) - 1024;
  return static_cast<std::uint16_t>((v < 0 ? 0x8000 : 0) | ((exponent + 14) << 10) | mantissa);
}

inline hp_affine Inverse(const hp_affine& a) {
  const auto& m = a.m;
  const Vec3 c0{m[0], m[4], m[8]}, c1{m[1], m[5], m[9]}, c2{m[2], m[6], m[10]}, t{m[3], m[7], m[11]};
  const double det = Dot(c0, Cross(c1, c2));
  const std::array<Vec3, 3> rows{(1 / det) * Cross(c1, c2), (1 / det) * Cross(c2, c0), (1 / det) * Cross(c0, c1)};
  hp_affine r;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) r.m[4 * i + j] = rows[i][j];
    r.m[4 * i + 3] = -Dot(rows[i], t);
  }
  return r;
}

struct ReferenceSample {
  double sigma = 0;
  Vec3 rgb{1, 1, 1};
};

// A medium in a box of its own space.
struct ReferenceMedium {
  hp_affine world_to_box = Identity();
  Vec3 lo{0, 0, 0}, hi{1, 1, 1};
  bool unbounded = false;
  std::function<ReferenceSample(const Vec3& in_box_space, const Vec3& world_direction)> sample;
};

struct ReferencePixel {
  Vec3 rgb{0, 0, 0};
  double opacity = 0, depth = 0, transmittance = 1, distortion = 0;
  std::int64_t segments = 0;
};

// Cuts [t0, t1] to the box. False when nothing is left.
inline bool ReferenceClip(const ReferenceMedium& medium, const Vec3& o, const Vec3& d, double* t0, double* t1) {
  if (medium.unbounded) return *t0 < *t1;
  const Vec3 p = Apply(medium.world_to_box, o), q = Apply(medium.world_to_box, o + d);
  for (std::size_t i = 0; i < 3; ++i) {
    const double g = q[i] - p[i];
    if (g == 0) {
      if (p[i] < medium.lo[i] || p[i] > medium.hi[i]) return false;
      continue;
    }
    const double a = (medium.lo[i] - p[i]) / g, b = (medium.hi[i] - p[i]) / g;
    *t0 = std::max(*t0, std::min(a, b));
    *t1 = std::min(*t1, std::max(a, b));
  }
  return *t0 < *t1;
}

// Renders one ray by the plan's settings (its precision, skipping and tiles play no part).
inline ReferencePixel ReferenceRay(const ReferenceMedium& medium, const hp_plan_desc& plan, const Vec3& o,
                                   const Vec3& d, double t_near, double t_far, std::uint64_t id = 0) {
  ReferencePixel pixel;
  double t0 = t_near, t1 = t_far, through = 1;
  std::vector<std::array<double, 3>> weights;  // w, t, length
  if (ReferenceClip(medium, o, d, &t0, &t1)) {
    std::int64_t k = std::max<std::int64_t>(0, static_cast<std::int64_t>((t0 - t_near) / plan.dt) - 1);
    for (;; ++k) {
      const double begin = std::max(t_near + static_cast<double>(k) * plan.dt, t0);
      const double end = std::min(t_near + static_cast<double>(k + 1) * plan.dt, t1);
      if (t_near + static_cast<double>(k) * plan.dt >= t1) break;
      if (!(end > begin)) continue;
      if (pixel.segments == plan.max_steps) break;
      if (plan.early_stop > 0 && through < plan.early_stop) break;
      double u = 0.5;
      if (plan.sampling != HP_SAMPLING_FIXED) {
        const std::int64_t of = plan.sampling == HP_SAMPLING_STRATIFIED ? k : 0;
        u = (Philox({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32),
                     static_cast<std::uint32_t>(of), 0},
                    {static_cast<std::uint32_t>(plan.seed), static_cast<std::uint32_t>(plan.seed >> 32)})[0] >>
             8) *
            0x1p-24;
      }
      const double t = begin + u * (end - begin);
      const ReferenceSample s = medium.sample(Apply(medium.world_to_box, o + t * d), d);
      const double w = through * -std::expm1(-s.sigma * (end - begin));
      through -= w;
      pixel.rgb = pixel.rgb + w * s.rgb;
      pixel.depth += w * t;
      weights.push_back({w, t, end - begin});
      pixel.opacity += w;
      ++pixel.segments;
    }
  }
  for (const auto& [w, t, length] : weights) {
    for (const auto& [other, there, unused] : weights) pixel.distortion += w * other * std::fabs(t - there);
    pixel.distortion += w * w * length / 3;
  }
  pixel.transmittance = through;
  const Vec3 background{plan.background[0], plan.background[1], plan.background[2]};
  pixel.rgb = pixel.rgb + through * background;
  return pixel;
}

// Trilinear between values at integer coordinates.
template <class ValueAt>  // double(int x, int y, int z)
double Trilinear(const Vec3& p, ValueAt at) {
  double sum = 0;
  const Vec3 base{std::floor(p[0]), std::floor(p[1]), std::floor(p[2])};
  for (int k = 0; k < 8; ++k) {
    double w = 1;
    std::array<int, 3> cell;
    for (std::size_t i = 0; i < 3; ++i) {
      const double f = p[i] - base[i];
      const int up = k >> i & 1;
      w *= up ? f : 1 - f;
      cell[i] = static_cast<int>(base[i]) + up;
    }
    if (w != 0) sum += w * at(cell[0], cell[1], cell[2]);
  }
  return sum;
}

// A dense grid as the conventions describe it: box coordinates in, all channels out. `exact` replaces the stored
// values.
inline std::vector<double> ReferenceGridValues(const DenseGrid& grid, const Vec3& local,
                                               const std::vector<double>& exact = {}) {
  const std::array<std::int64_t, 3> n{grid.nx, grid.ny, grid.nz};
  Vec3 p;
  for (std::size_t i = 0; i < 3; ++i) {
    p[i] = (local[i] - grid.box_min[i]) / (grid.box_max[i] - grid.box_min[i]) * static_cast<double>(n[i]) - 0.5;
    if (grid.interp == HP_INTERP_NEAREST) p[i] = std::floor(p[i] + 0.5);
    p[i] = std::clamp(p[i], 0.0, static_cast<double>(n[i] - 1));
  }
  std::vector<double> values;
  for (std::int64_t c = 0; c < grid.channels; ++c) {
    values.push_back(Trilinear(p, [&](int x, int y, int z) {
      const auto at = static_cast<std::size_t>(((z * grid.ny + y) * grid.nx + x) * grid.channels + c);
      if (!exact.empty()) return exact[at];
      return grid.halves.empty() ? static_cast<double>(grid.values[at]) : HalfValue(grid.halves[at]);
    }));
  }
  return values;
}

// Real spherical harmonics as tables of Plenoxels and 3D Gaussian Splatting give them, from their closed forms.
inline std::vector<double> ReferenceHarmonics(int degree, const Vec3& d) {
  const double x = d[0], y = d[1], z = d[2], pi = 3.14159265358979323846;
  std::vector<double> b;
  const auto add = [&b](std::initializer_list<double> terms) {
    for (double term : terms) b.push_back(term);
  };
  add({0.5 * std::sqrt(1 / pi)});
  if (degree >= 1) {
    const double c = std::sqrt(3 / (4 * pi));
    add({-c * y, c * z, -c * x});
  }
  if (degree >= 2) {
    const double c = 0.5 * std::sqrt(15 / pi), c0 = 0.25 * std::sqrt(5 / pi), c2 = 0.25 * std::sqrt(15 / pi);
    add({c * x * y, -c * y * z, c0 * (2 * z * z - x * x - y * y), -c * x * z, c2 * (x * x - y * y)});
  }
  if (degree >= 3) {
    const double c3 = 0.25 * std::sqrt(35 / (2 * pi)), c2 = 0.5 * std::sqrt(105 / pi),
                 c1 = 0.25 * std::sqrt(21 / (2 * pi)), c0 = 0.25 * std::sqrt(7 / pi), d2 = 0.25 * std::sqrt(105 / pi);
    add({-c3 * y * (3 * x * x - y * y), c2 * x * y * z, -c1 * y * (4 * z * z - x * x - y * y),
         c0 * z * (2 * z * z - 3 * x * x - 3 * y * y), -c1 * x * (4 * z * z - x * x - y * y), d2 * z * (x * x - y * y),
         -c3 * x * (x * x - 3 * y * y)});
  }
  return b;
}

// Piecewise linear between knots, constant beyond the ends.
inline Vec3 ReferenceTransfer(const std::vector<double>& density, const std::vector<double>& rgb, double at) {
  const std::size_t n = density.size();
  auto knot = [&](std::size_t i) { return Vec3{rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]}; };
  if (at <= density.front()) return knot(0);
  for (std::size_t i = 1; i < n; ++i) {
    if (at > density[i]) continue;
    const double f = (at - density[i - 1]) / (density[i] - density[i - 1]);
    return (1 - f) * knot(i - 1) + f * knot(i);
  }
  return knot(n - 1);
}

// The medium of a dense grid placed by `instance`; `exact` as above.
inline ReferenceMedium ReferenceOf(const DenseGrid& grid, const hp_instance& instance,
                                   const std::vector<double>& exact = {}) {
  ReferenceMedium medium;
  auto times = [](const hp_affine& a, const hp_affine& b) {
    hp_affine r;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 4; ++j) {
        r.m[4 * i + j] = a.m[4 * i] * b.m[j] + a.m[4 * i + 1] * b.m[4 + j] + a.m[4 * i + 2] * b.m[8 + j] +
                         (j == 3 ? a.m[4 * i + 3] : 0);
      }
    }
    return r;
  };
  medium.world_to_box = Inverse(times(instance.object_to_world, grid.local_to_world));
  medium.lo = grid.box_min;
  medium.hi = grid.box_max;
  medium.unbounded = grid.border == HP_BORDER_CLAMP;
  const Vec3 color{instance.color[0], instance.color[1], instance.color[2]};
  std::vector<double> knots(instance.knot_density, instance.knot_density + instance.knot_count);
  std::vector<double> knot_rgb(instance.knot_rgb, instance.knot_rgb + 3 * instance.knot_count);
  const double scale = instance.sigma_scale;
  medium.sample = [grid, exact, color, knots, knot_rgb, scale](const Vec3& p, const Vec3& d) {
    const std::vector<double> v = ReferenceGridValues(grid, p, exact);
    ReferenceSample s;
    s.sigma = scale * v.back();
    if (grid.channels == 1) {
      s.rgb = knots.empty() ? color : ReferenceTransfer(knots, knot_rgb, v[0]);
    } else if (grid.channels == 4) {
      s.rgb = {v[0], v[1], v[2]};
    } else {
      const int degree = grid.channels == 13 ? 1 : grid.channels == 28 ? 2 : 3;
      const std::vector<double> basis = ReferenceHarmonics(degree, d);
      for (std::size_t c = 0; c < 3; ++c) {
        double sum = 0.5;
        for (std::size_t i = 0; i < basis.size(); ++i) sum += v[c * basis.size() + i] * basis[i];
        s.rgb[c] = std::max(0.0, sum);
      }
    }
    return s;
  };
  return medium;
}

}  // namespace dvren::test
