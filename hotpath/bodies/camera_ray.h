// Ray of a pixel: lens model, undistortion by Newton with a fixed number of steps, pose. OpenCV axes and distortion
// models (OpenCV, "Camera Calibration and 3D Reconstruction").
#pragma once

#include "bodies/args.h"
#include "bodies/ray_packet.h"
#include "lanes/math.h"

namespace hp::HP_ISA_NS {

struct Camera {
  int model;
  Real fx, fy, cx, cy, k1, k2, k3, k4, p1, p2;
  Real fold;  // CameraArgs::fold
  Real half_width, half_height, ortho_pixel;
  Real m[12];
  Real t_near, t_far;
  bool distorted;

  HP_FN explicit Camera(const CameraArgs& a)
      : model(a.model),
        fx(Real(a.fx)),
        fy(Real(a.fy)),
        cx(Real(a.cx)),
        cy(Real(a.cy)),
        k1(0),
        k2(0),
        k3(0),
        k4(0),
        p1(0),
        p2(0),
        fold(Real(a.fold)),
        half_width(Real(0.5 * a.width)),
        half_height(Real(0.5 * a.height)),
        ortho_pixel(Real(a.ortho_scale / (a.height > 0 ? a.height : 1))),
        t_near(Real(a.t_near)),
        t_far(Real(a.t_far)) {
    k1 = Real(a.distortion[0]);
    k2 = Real(a.distortion[1]);
    if (model == HP_CAMERA_FISHEYE) {
      k3 = Real(a.distortion[2]);
      k4 = Real(a.distortion[3]);
    } else {
      p1 = Real(a.distortion[2]);
      p2 = Real(a.distortion[3]);
      k3 = Real(a.distortion[4]);
    }
    distorted = a.distortion[0] != 0 || a.distortion[1] != 0 || a.distortion[2] != 0 || a.distortion[3] != 0 ||
                a.distortion[4] != 0;
    for (int i = 0; i < 12; ++i) m[i] = Real(a.camera_to_world[i]);
  }
};

inline constexpr int kNewtonSteps = 12;
// A pixel counts as mapped by the lens when distorting the solution gives the pixel back to this (relative to 1 +
// radius).
inline constexpr double kLensResidual = 1e-4;

// Solves distort(x, y) = (xd, yd) for Brown-Conrady distortion. Returns where the solution holds: it gives the point
// back, and lies where the mapping has not folded over. (The polynomial has more roots out there, which no lens shows.)
HP_FN M undistort_brown_conrady(const Camera& c, F xd, F yd, F& x, F& y) {
  x = xd;
  y = yd;
  F ex = splat(0), ey = splat(0), det = splat(1), r2;
  for (int step = 0;; ++step) {
    r2 = madd(x, x, y * y);
    F radial = madd(r2, madd(r2, madd(r2, splat(c.k3), splat(c.k2)), splat(c.k1)), splat(1));
    F slope = madd(r2, madd(r2, splat(3 * c.k3), splat(2 * c.k2)), splat(c.k1));  // d radial / d r2
    F xy2 = splat(2) * x * y;
    F px = madd(splat(c.p1), xy2, splat(c.p2) * madd(splat(2) * x, x, r2));
    F py = madd(splat(c.p2), xy2, splat(c.p1) * madd(splat(2) * y, y, r2));
    ex = madd(x, radial, px) - xd;
    ey = madd(y, radial, py) - yd;
    F a = madd(splat(2) * x * x, slope, radial) + madd(splat(2 * c.p1), y, splat(6 * c.p2) * x);
    F d = madd(splat(2) * y * y, slope, radial) + madd(splat(2 * c.p2), x, splat(6 * c.p1) * y);
    F b = madd(xy2, slope, madd(splat(2 * c.p1), x, splat(2 * c.p2) * y));  // both off-diagonal entries
    det = nmadd(b, b, a * d);
    if (step == kNewtonSteps) break;
    x = x - nmadd(b, ey, d * ex) / det;
    y = y - nmadd(b, ex, a * ey) / det;
  }
  F bound = splat(Real(kLensResidual)) * (splat(1) + abs_of(xd) + abs_of(yd));
  M holds = both(abs_of(ex) <= bound, abs_of(ey) <= bound);
  return both(holds, both(r2 <= splat(c.fold), det > splat(0)));
}

// Solves theta (1 + k1 theta^2 + …) = theta_d. Returns where the solution holds and lies between 0 and where the
// mapping folds over, at most pi.
HP_FN M undistort_fisheye(const Camera& c, F theta_d, F& theta) {
  theta = theta_d;
  F error = splat(0);
  for (int step = 0;; ++step) {
    F t2 = theta * theta;
    F factor = madd(t2, madd(t2, madd(t2, madd(t2, splat(c.k4), splat(c.k3)), splat(c.k2)), splat(c.k1)), splat(1));
    F slope = madd(t2, madd(t2, madd(t2, madd(t2, splat(9 * c.k4), splat(7 * c.k3)), splat(5 * c.k2)), splat(3 * c.k1)),
                   splat(1));
    error = madd(theta, factor, -theta_d);
    if (step == kNewtonSteps) break;
    theta = theta - error / slope;
  }
  M holds = abs_of(error) <= splat(Real(kLensResidual)) * (splat(1) + theta_d);
  return both(holds, both(splat(0) <= theta, theta <= splat(c.fold)));
}

// Ray through the image point (x, y), pixel centres at +0.5. `mapped` is false where the lens maps no direction there.
HP_FN void camera_ray(const Camera& c, F x, F y, RayPacket& ray, M& mapped) {
  F cx, cy, cz;                    // direction in camera axes
  F ax = splat(0), ay = splat(0);  // origin in camera axes (orthographic)
  mapped = splat_mask(true);
  if (c.model == HP_CAMERA_ORTHOGRAPHIC) {
    ax = (x - splat(c.half_width)) * splat(c.ortho_pixel);
    ay = (y - splat(c.half_height)) * splat(c.ortho_pixel);
    cx = cy = splat(0);
    cz = splat(1);
  } else {
    F u = (x - splat(c.cx)) / splat(c.fx), v = (y - splat(c.cy)) / splat(c.fy);
    if (c.model == HP_CAMERA_FISHEYE) {
      F theta_d = square_root(madd(u, u, v * v)), theta;
      mapped = undistort_fisheye(c, theta_d, theta);
      theta = select(mapped, theta, splat(0));
      F sine, cosine;
      sine_cosine(theta, sine, cosine);
      F scale = select(theta_d > splat(0), sine / select(theta_d > splat(0), theta_d, splat(1)), splat(1));
      cx = u * scale;
      cy = v * scale;
      cz = cosine;
    } else {
      if (c.distorted) {
        F uu, vv;
        mapped = undistort_brown_conrady(c, u, v, uu, vv);
        u = select(mapped, uu, splat(0));
        v = select(mapped, vv, splat(0));
      }
      cx = u;
      cy = v;
      cz = splat(1);
    }
  }
  F dx = madd(splat(c.m[0]), cx, madd(splat(c.m[1]), cy, splat(c.m[2]) * cz));
  F dy = madd(splat(c.m[4]), cx, madd(splat(c.m[5]), cy, splat(c.m[6]) * cz));
  F dz = madd(splat(c.m[8]), cx, madd(splat(c.m[9]), cy, splat(c.m[10]) * cz));
  F length = square_root(madd(dx, dx, madd(dy, dy, dz * dz)));
  ray.dx = dx / length;
  ray.dy = dy / length;
  ray.dz = dz / length;
  ray.ox = madd(splat(c.m[0]), ax, madd(splat(c.m[1]), ay, splat(c.m[3])));
  ray.oy = madd(splat(c.m[4]), ax, madd(splat(c.m[5]), ay, splat(c.m[7])));
  ray.oz = madd(splat(c.m[8]), ax, madd(splat(c.m[9]), ay, splat(c.m[11])));
  ray.t_near = splat(c.t_near);
  ray.t_far = select(mapped, splat(c.t_far), splat(c.t_near));
}

}  // namespace hp::HP_ISA_NS
