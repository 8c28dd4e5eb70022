// Adjoint of camera_ray.h: dL/d(camera) from dL/d(ray). Undistortion is differentiated as the implicit function it is:
// distort(x, y; k) = (u, v) gives d(x, y) = J^-1 (d(u, v) - d distort/dk dk).
#pragma once

#include "bodies/adjoint.h"
#include "bodies/camera_ray.h"

namespace hp::HP_ISA_NS {

struct CameraAdjoint {
  F m[12];  // camera_to_world, ambient, of normalise(R d)
  F fx, fy, cx, cy, distortion[5], ortho_scale;
};

// (x, y): undistorted. d_x, d_y become dL/d(u, v); J is symmetric.
HP_FN void undistort_brown_conrady_adjoint(const Camera& c, F x, F y, F& d_x, F& d_y, F d_k[5]) {
  const F two = splat(2);
  F r2 = madd(x, x, y * y);
  F radial = madd(r2, madd(r2, madd(r2, splat(c.k3), splat(c.k2)), splat(c.k1)), splat(1));
  F slope = madd(r2, madd(r2, splat(3 * c.k3), splat(2 * c.k2)), splat(c.k1));
  F xy2 = two * x * y;
  F a = madd(two * x * x, slope, radial) + madd(splat(2 * c.p1), y, splat(6 * c.p2) * x);
  F d = madd(two * y * y, slope, radial) + madd(splat(2 * c.p2), x, splat(6 * c.p1) * y);
  F b = madd(xy2, slope, madd(splat(2 * c.p1), x, splat(2 * c.p2) * y));
  F det = nmadd(b, b, a * d);
  F u = nmadd(b, d_y, d * d_x) / det, v = nmadd(b, d_x, a * d_y) / det;
  F along = madd(u, x, v * y);
  d_k[0] = -(along * r2);                            // k1
  d_k[1] = d_k[0] * r2;                              // k2
  d_k[2] = -madd(u, xy2, v * madd(two * y, y, r2));  // p1
  d_k[3] = -madd(v, xy2, u * madd(two * x, x, r2));  // p2
  d_k[4] = d_k[1] * r2;                              // k3
  d_x = u;
  d_y = v;
}

// The ray through the image point (x, y), and dL/d of it. Only lanes that the lens maps count.
HP_FN void camera_ray_adjoint(const Camera& c, F x, F y, const RayAdjoint& d, CameraAdjoint& out) {
  const F zero = splat(0);
  F cx = zero, cy = zero, cz = splat(1), ax = zero, ay = zero;
  F u = zero, v = zero, undistorted_u = zero, undistorted_v = zero;
  F theta_d = zero, theta = zero, sine = zero, cosine = splat(1), scale = splat(1);
  M mapped = splat_mask(true);
  if (c.model == HP_CAMERA_ORTHOGRAPHIC) {
    ax = (x - splat(c.half_width)) * splat(c.ortho_pixel);
    ay = (y - splat(c.half_height)) * splat(c.ortho_pixel);
  } else {
    u = (x - splat(c.cx)) / splat(c.fx);
    v = (y - splat(c.cy)) / splat(c.fy);
    if (c.model == HP_CAMERA_FISHEYE) {
      theta_d = square_root(madd(u, u, v * v));
      mapped = undistort_fisheye(c, theta_d, theta);
      theta = select(mapped, theta, zero);
      sine_cosine(theta, sine, cosine);
      scale = select(theta_d > zero, sine / select(theta_d > zero, theta_d, splat(1)), splat(1));
      cx = u * scale;
      cy = v * scale;
      cz = cosine;
    } else {
      undistorted_u = u;
      undistorted_v = v;
      if (c.distorted) {
        mapped = undistort_brown_conrady(c, u, v, undistorted_u, undistorted_v);
        undistorted_u = select(mapped, undistorted_u, zero);
        undistorted_v = select(mapped, undistorted_v, zero);
      }
      cx = undistorted_u;
      cy = undistorted_v;
    }
  }
  // normalise: d_w = (d_n - n (n . d_n)) / |w|
  auto row = [&](int i, F a, F b, F e) {
    return madd(splat(c.m[i]), a, madd(splat(c.m[i + 1]), b, splat(c.m[i + 2]) * e));
  };
  const F wx = row(0, cx, cy, cz), wy = row(4, cx, cy, cz), wz = row(8, cx, cy, cz);
  const F length = square_root(madd(wx, wx, madd(wy, wy, wz * wz)));
  const F nx = wx / length, ny = wy / length, nz = wz / length;
  const F along = madd(nx, d.dx, madd(ny, d.dy, nz * d.dz));
  const F world[3] = {select(mapped, nmadd(nx, along, d.dx) / length, zero),
                      select(mapped, nmadd(ny, along, d.dy) / length, zero),
                      select(mapped, nmadd(nz, along, d.dz) / length, zero)};
  const F origin[3] = {select(mapped, d.ox, zero), select(mapped, d.oy, zero), select(mapped, d.oz, zero)};
  for (int i = 0; i < 3; ++i) {
    out.m[4 * i] = madd(world[i], cx, origin[i] * ax);
    out.m[4 * i + 1] = madd(world[i], cy, origin[i] * ay);
    out.m[4 * i + 2] = world[i] * cz;
    out.m[4 * i + 3] = origin[i];
  }
  auto column = [&](int j, const F g[3]) {
    return madd(splat(c.m[j]), g[0], madd(splat(c.m[4 + j]), g[1], splat(c.m[8 + j]) * g[2]));
  };
  out.fx = out.fy = out.cx = out.cy = out.ortho_scale = zero;
  for (F& k : out.distortion) k = zero;
  if (c.model == HP_CAMERA_ORTHOGRAPHIC) {
    // a = (x - w/2) ortho_scale / height
    const F d_ax = column(0, origin), d_ay = column(1, origin);
    out.ortho_scale =
        madd(d_ax, x - splat(c.half_width), d_ay * (y - splat(c.half_height))) / (splat(2) * splat(c.half_height));
    return;
  }
  F d_u = column(0, world), d_v = column(1, world);
  if (c.model == HP_CAMERA_FISHEYE) {
    // c = (u s, v s, cos theta), s = sin theta / theta_d, theta_d = |(u, v)|, theta_d = theta (1 + k1 theta^2 + …)
    const M off_axis = both(mapped, theta_d > zero);
    const F inverse = splat(1) / select(off_axis, theta_d, splat(1));
    const F d_scale = madd(d_u, u, d_v * v), d_cz = column(2, world);
    const F t2 = theta * theta;
    F slope = madd(t2, madd(t2, madd(t2, madd(t2, splat(9 * c.k4), splat(7 * c.k3)), splat(5 * c.k2)), splat(3 * c.k1)),
                   splat(1));
    const F d_theta = select(off_axis, nmadd(d_cz, sine, d_scale * cosine * inverse) / slope, zero);
    const F d_theta_d = select(off_axis, nmadd(d_scale * scale, inverse, d_theta), zero);
    F power = theta * t2;
    for (int i = 0; i < 4; ++i) {
      out.distortion[i] = -(d_theta * power);
      power = power * t2;
    }
    d_u = madd(d_u, scale, d_theta_d * u * inverse);
    d_v = madd(d_v, scale, d_theta_d * v * inverse);
  } else {
    // Without distortion, too: the derivative with respect to a coefficient that is 0 is as real as any other.
    undistort_brown_conrady_adjoint(c, undistorted_u, undistorted_v, d_u, d_v, out.distortion);
  }
  out.fx = -(d_u * u) / splat(c.fx);
  out.fy = -(d_v * v) / splat(c.fy);
  out.cx = -d_u / splat(c.fx);
  out.cy = -d_v / splat(c.fy);
}

}  // namespace hp::HP_ISA_NS
