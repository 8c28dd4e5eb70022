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

}  // namespace hp::HP_ISA_NS
