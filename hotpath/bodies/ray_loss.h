// What the loss says of a packet's rays: dL/d(image) and the forward's results, read from images.
#pragma once

#include "bodies/adjoint.h"
#include "bodies/packets.h"

namespace hp::HP_ISA_NS {

// Values of an image at the pixels of a packet; 0 where there is no image, and in idle lanes.
HP_TASK F read_pixels(const View& view, int64_t channel, const int64_t* x, const int64_t* y, int count) {
  Real lanes[kWidth] = {0};
  if (view.data) {
    const Real* data = real_data(view);
    for (int i = 0; i < count; ++i) lanes[i] = data[y[i] * view.stride0 + x[i] * view.stride1 + channel * view.stride2];
  }
  return load_lanes(lanes);
}

// What the loss says of a packet's rays, multiplied by `scale`; its tail is dL/dT_n.
HP_TASK RayLoss read_adjoint(const Job& job, Real scale, const int64_t* x, const int64_t* y, int count) {
  const GradientArgs& g = job.gradients;
  auto scaled = [&](const View& view, int64_t channel) {
    return read_pixels(view, channel, x, y, count) * splat(scale);
  };
  RayLoss loss;
  loss.r = scaled(g.d_rgb, 0);
  loss.g = scaled(g.d_rgb, 1);
  loss.b = scaled(g.d_rgb, 2);
  loss.depth = scaled(g.d_depth, 0);
  loss.distortion = scaled(g.d_distortion, 0);
  const double* b = job.plan.background;
  const F d_transmittance = scaled(g.d_transmittance, 0) - scaled(g.d_opacity, 0);
  loss.tail = madd(loss.r, splat(Real(b[0])),
                   madd(loss.g, splat(Real(b[1])), madd(loss.b, splat(Real(b[2])), d_transmittance)));
  return loss;
}

// Adds what the forward made of the rays; `d_background` becomes T_n dL/d(radiance).
HP_TASK RayLoss with_forward(RayLoss loss, const Job& job, const int64_t* x, const int64_t* y, int count,
                             F d_background[3]) {
  const GradientArgs& g = job.gradients;
  loss.whole_r = read_pixels(g.radiance, 0, x, y, count);
  loss.whole_g = read_pixels(g.radiance, 1, x, y, count);
  loss.whole_b = read_pixels(g.radiance, 2, x, y, count);
  loss.whole_depth = read_pixels(g.depth, 0, x, y, count);
  loss.whole_distortion = read_pixels(g.distortion, 0, x, y, count);
  const F transmittance = read_pixels(g.transmittance, 0, x, y, count);
  loss.whole_transmittance = transmittance;
  loss.tail = transmittance * loss.tail;
  d_background[0] = transmittance * loss.r;
  d_background[1] = transmittance * loss.g;
  d_background[2] = transmittance * loss.b;
  return loss;
}

}  // namespace hp::HP_ISA_NS
