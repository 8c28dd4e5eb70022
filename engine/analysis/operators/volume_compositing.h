// Emission-absorption compositing of a ray: what the volume renderers and the daemon's kernels share.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

// Per active sample: alpha = -expm1(-sigma·dt), w = T·alpha, T -= w.
inline void AddTransmittance(const Count& samples, WorkCount& work) {
  work.special += samples;
  work.mul += 2 * samples;
  work.add += samples;
  work.compare += samples;
}
inline const Formula kTransmittanceFormula = {
    "composite.transmittance",
    "per active sample: sigma·dt and T·alpha 2 mul, expm1 1 special, T -= w 1 add, 1 compare "
    "with the early-stop threshold"};

// The [input_a, input_w, output] that every blending class inherits for backward, right or wrong.
[[nodiscard]] inline std::array<Count, 3> BlendingBackwardTensors(const OperatorCase& c) {
  return {3 * c.rays, c.total_samples, 3 * c.total_samples};
}

}  // namespace dvren::analysis
