// The gradient of the step, which the double lane computes for all.
#pragma once

#include "backends/cpu/gradient_sink.h"
#include "backends/cpu/kernels.h"
#include "bodies/step_ray.h"

namespace hp::HP_ISA_NS {

// Adds dL/d(dt) of a packet's rays.
static void add_step(const Job& job, const RayPacket& packet, const RayLoss& adjoint, int count, GradientSink& sink) {
  const cpu::StepKernel kernel = cpu::DoubleKernels().step_gradient[job.field.type][job.field.half_storage != 0];
  StepRay rays[kWidth];
  step_rays(packet, adjoint, count, rays);
  for (int i = 0; i < count; ++i) sink.add_one(HP_SUM_DT, kernel(job, rays[i]));
}

}  // namespace hp::HP_ISA_NS
