// Uniform jitter: one uniform place for all segments of a ray (Ramamoorthi et al., "A Theory of Monte Carlo Visibility
// Sampling", 2012), from Philox4x32-10 keyed (seed, ray id, 0). Costs nothing per sample.
#pragma once

#include "lanes/math.h"

namespace hp::HP_ISA_NS {

struct sampler_uniform_jitter {
  HP_FN static F ray_offset(uint64_t seed, U id_low, U id_high) {
    return philox_uniform(static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), id_low, id_high,
                          int_to_bits(splat_int(0)));
  }
  HP_FN static F offset(uint64_t, U, U, I, F of_ray) { return of_ray; }
};

}  // namespace hp::HP_ISA_NS
