// The gradient of the step of one ray (step_adjoint.h), which kernels of every precision compute in double: what a
// kernel hands over of a ray, and what the double lane makes of it.
#pragma once

#include "bodies/ray_loss.h"
#include "bodies/step_adjoint.h"

namespace hp::HP_ISA_NS {

// The first `count` rays of a packet. `adjoint`: of read_adjoint, its tail being dL/dT_n.
HP_TASK void step_rays(const RayPacket& packet, const RayLoss& adjoint, int count, StepRay* out) {
  Real lanes[14][kWidth];
  const F all[14] = {packet.ox,    packet.oy, packet.oz, packet.dx, packet.dy,     packet.dz,    packet.t_near,
                     packet.t_far, adjoint.r, adjoint.g, adjoint.b, adjoint.depth, adjoint.tail, adjoint.distortion};
  for (int i = 0; i < 14; ++i) store_lanes(all[i], lanes[i]);
  int32_t low[kWidth], high[kWidth];
  store_lanes(bits_to_int(packet.id_low), low);
  store_lanes(bits_to_int(packet.id_high), high);
  for (int i = 0; i < count; ++i) {
    auto at = [&](int what) { return static_cast<double>(lanes[what][i]); };
    out[i] = {{at(0), at(1), at(2)},          {at(3), at(4), at(5)},  at(6),  at(7),  static_cast<uint32_t>(low[i]),
              static_cast<uint32_t>(high[i]), {at(8), at(9), at(10)}, at(11), at(12), at(13)};
  }
}

#if defined(HP_REAL_IS_DOUBLE)
// dL/d(dt), multiplied by the scale of `of`.
template <class Field>
HP_TASK double step_gradient(const Job& job, const StepRay& of) {
  const Lattice lattice(job.plan);
  Field field(view_of<Field>(job.field), job.color);
  RayPacket ray;
  ray.ox = of.origin[0], ray.oy = of.origin[1], ray.oz = of.origin[2];
  ray.dx = of.direction[0], ray.dy = of.direction[1], ray.dz = of.direction[2];
  ray.t_near = of.t_near, ray.t_far = of.t_far;
  ray.id_low = of.id_low, ray.id_high = of.id_high;
  ray.live = true;
  RayLoss loss = {};
  loss.r = of.d_rgb[0], loss.g = of.d_rgb[1], loss.b = of.d_rgb[2], loss.depth = of.d_depth;
  loss.distortion = of.d_distortion;
  loss.tail = of.d_transmittance;
  field.begin_ray(ray.dx, ray.dy, ray.dz);
  const March march = start_march(Grid(job.field), lattice, ray);
  const bool skip = job.plan.skip_empty != 0;
  if (job.gradients.d_distortion.data) {
    return step_adjoint<true>(field, lattice, march, job.plan.early_stop, skip, loss);
  }
  return step_adjoint<false>(field, lattice, march, job.plan.early_stop, skip, loss);
}
#endif

}  // namespace hp::HP_ISA_NS
