// Colour of a sample: constant, 1D transfer function, or spherical harmonics of the ray direction.
#pragma once

#include "bodies/args.h"

namespace hp::HP_ISA_NS {

struct Color {
  Real sigma_scale, r, g, b;
  int knots;
  const double* density;  // (knots) ascending
  const double* rgb;      // (knots, 3)
  HP_FN explicit Color(const ColorArgs& a)
      : sigma_scale(Real(a.sigma_scale)),
        r(Real(a.color[0])),
        g(Real(a.color[1])),
        b(Real(a.color[2])),
        knots(a.knots),
        density(a.density),
        rgb(&a.rgb[0][0]) {}
};

// Piecewise linear between knots, constant beyond the ends.
HP_FN void transfer_color(const Color& c, F density, F& r, F& g, F& b) {
  r = splat(Real(c.rgb[0]));
  g = splat(Real(c.rgb[1]));
  b = splat(Real(c.rgb[2]));
  for (int i = 0; i < c.knots; ++i) {
    const double* here = c.rgb + 3 * i;
    M beyond = splat(Real(c.density[i])) <= density;
    if (!any(beyond)) break;
    F f = splat(0);
    const double* next = here;
    if (i + 1 < c.knots) {
      next = here + 3;
      f = (density - splat(Real(c.density[i]))) * splat(Real(1 / (c.density[i + 1] - c.density[i])));
    }
    r = select(beyond, madd(f, splat(Real(next[0] - here[0])), splat(Real(here[0]))), r);
    g = select(beyond, madd(f, splat(Real(next[1] - here[1])), splat(Real(here[1]))), g);
    b = select(beyond, madd(f, splat(Real(next[2] - here[2])), splat(Real(here[2]))), b);
  }
}

HP_FN void scalar_color(const Color& c, F density, F& r, F& g, F& b) {
  if (c.knots > 0) {
    transfer_color(c, density, r, g, b);
  } else {
    r = splat(c.r);
    g = splat(c.g);
    b = splat(c.b);
  }
}

// dL/d(density) of a colour, and dL/d(knots) into the sink. The piece of the function a density lies in is held fixed.
template <class Sink>
HP_SLOW_FN F transfer_color_adjoint(const Color& c, F density, M live, F d_r, F d_g, F d_b, Sink& sink) {
  const F zero = splat(0), one = splat(1);
  F d_density = zero;
  for (int i = -1; i < c.knots; ++i) {
    // Piece i lies between knots i and i + 1; the first and the last are constant.
    M here = live;
    if (i >= 0) here = both(here, splat(Real(c.density[i])) <= density);
    if (i + 1 < c.knots) here = without(here, splat(Real(c.density[i + 1])) <= density);
    if (!any(here)) continue;
    const int a = i < 0 ? 0 : i, b = i + 1 < c.knots ? i + 1 : i;
    F f = zero, d_value[3] = {d_r, d_g, d_b};
    if (a != b) {
      const Real inverse = Real(1 / (c.density[b] - c.density[a]));
      f = (density - splat(Real(c.density[a]))) * splat(inverse);
      F slope = zero;
      for (int j = 0; j < 3; ++j) {
        slope = madd(d_value[j], splat(Real(c.rgb[3 * b + j] - c.rgb[3 * a + j]) * inverse), slope);
      }
      d_density = select(here, slope, d_density);
      if (sink.scene()) {
        sink.add(HP_SUM_KNOT_DENSITY + a, -(slope * (one - f)), here);
        sink.add(HP_SUM_KNOT_DENSITY + b, -(slope * f), here);
      }
    }
    if (!sink.scene()) continue;
    for (int j = 0; j < 3; ++j) {
      sink.add(HP_SUM_KNOT_RGB + 3 * a + j, d_value[j] * (one - f), here);
      if (a != b) sink.add(HP_SUM_KNOT_RGB + 3 * b + j, d_value[j] * f, here);
    }
  }
  return d_density;
}

// Sums over the samples of a ray that a field's adjoint makes.
struct FieldTotals {
  F sigma_scale, r, g, b;  // dL/d(sigma scale), dL/d(constant colour)
  HP_FN static FieldTotals zero() { return {splat(0), splat(0), splat(0), splat(0)}; }
};

// Of scalar_color: returns dL/d(density).
template <class Sink>
HP_FN F scalar_color_adjoint(const Color& c, F density, M live, F d_r, F d_g, F d_b, Sink& sink, FieldTotals& totals) {
  if (c.knots > 0) return transfer_color_adjoint(c, density, live, d_r, d_g, d_b, sink);
  if (sink.scene()) {
    totals.r = totals.r + d_r;
    totals.g = totals.g + d_g;
    totals.b = totals.b + d_b;
  }
  return splat(0);
}

inline constexpr int kMaxBasis = 16;

// Real spherical harmonics in the order and with the signs of Plenoxels and 3D Gaussian Splatting.
HP_FN void spherical_harmonics(int degree, F x, F y, F z, F basis[kMaxBasis]) {
  basis[0] = splat(Real(0.28209479177387814));
  if (degree < 1) return;
  const Real c1 = Real(0.4886025119029199);
  basis[1] = splat(-c1) * y;
  basis[2] = splat(c1) * z;
  basis[3] = splat(-c1) * x;
  if (degree < 2) return;
  const Real c2 = Real(1.0925484305920792);
  F xx = x * x, yy = y * y, zz = z * z, xy = x * y, yz = y * z, xz = x * z;
  basis[4] = splat(c2) * xy;
  basis[5] = splat(-c2) * yz;
  basis[6] = splat(Real(0.31539156525252005)) * (splat(2) * zz - xx - yy);
  basis[7] = splat(-c2) * xz;
  basis[8] = splat(Real(0.5462742152960396)) * (xx - yy);
  if (degree < 3) return;
  basis[9] = splat(Real(-0.5900435899266435)) * y * (splat(3) * xx - yy);
  basis[10] = splat(Real(2.890611442640554)) * xy * z;
  basis[11] = splat(Real(-0.4570457994644658)) * y * (splat(4) * zz - xx - yy);
  basis[12] = splat(Real(0.3731763325901154)) * z * (splat(2) * zz - splat(3) * xx - splat(3) * yy);
  basis[13] = splat(Real(-0.4570457994644658)) * x * (splat(4) * zz - xx - yy);
  basis[14] = splat(Real(1.445305721320277)) * z * (xx - yy);
  basis[15] = splat(Real(-0.5900435899266435)) * x * (xx - splat(3) * yy);
}

// dL/d(direction) from dL/d(basis), added to d.
HP_FN void spherical_harmonics_adjoint(int degree, F x, F y, F z, const F w[kMaxBasis], F& dx, F& dy, F& dz) {
  if (degree < 1) return;
  const Real c1 = Real(0.4886025119029199);
  dx = madd(splat(-c1), w[3], dx);
  dy = madd(splat(-c1), w[1], dy);
  dz = madd(splat(c1), w[2], dz);
  if (degree < 2) return;
  auto c = [](double value) { return splat(Real(value)); };
  const F a4 = c(1.0925484305920792) * w[4], a5 = c(-1.0925484305920792) * w[5], a6 = c(0.31539156525252005) * w[6],
          a7 = c(-1.0925484305920792) * w[7], a8 = c(0.5462742152960396) * w[8];
  const F two = splat(2), four = splat(4);
  dx = dx + a4 * y - two * a6 * x + a7 * z + two * a8 * x;
  dy = dy + a4 * x + a5 * z - two * a6 * y - two * a8 * y;
  dz = dz + a5 * y + four * a6 * z + a7 * x;
  if (degree < 3) return;
  const F xx = x * x, yy = y * y, zz = z * z;
  const F a9 = c(-0.5900435899266435) * w[9], a10 = c(2.890611442640554) * w[10], a11 = c(-0.4570457994644658) * w[11],
          a12 = c(0.3731763325901154) * w[12], a13 = c(-0.4570457994644658) * w[13], a14 = c(1.445305721320277) * w[14],
          a15 = c(-0.5900435899266435) * w[15];
  const F three = splat(3), six = splat(6), eight = splat(8);
  // y (3xx - yy), xyz, y (4zz - xx - yy), z (2zz - 3xx - 3yy), x (4zz - xx - yy), z (xx - yy), x (xx - 3yy)
  dx = dx + six * a9 * x * y + a10 * y * z - two * a11 * x * y - six * a12 * x * z +
       a13 * (four * zz - three * xx - yy) + two * a14 * x * z + three * a15 * (xx - yy);
  dy = dy + three * a9 * (xx - yy) + a10 * x * z + a11 * (four * zz - xx - three * yy) - six * a12 * y * z -
       two * a13 * x * y - two * a14 * y * z - six * a15 * x * y;
  dz = dz + a10 * x * y + eight * a11 * y * z + a12 * (six * zz - three * xx - three * yy) + eight * a13 * x * z +
       a14 * (xx - yy);
}

}  // namespace hp::HP_ISA_NS
