// Stratified sampling: a uniform place in every segment, from Philox4x32-10 keyed (seed, ray id, k), so that a sample
// does not depend on tiles, batches or threads.
#pragma once

#include "lanes/math.h"

namespace hp::HP_ISA_NS {

struct sampler_stratified {
  HP_FN static F ray_offset(uint64_t, U, U) { return splat(Real(0.5)); }
  HP_FN static F offset(uint64_t seed, U id_low, U id_high, I k, F) {
    return philox_uniform(static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), id_low, id_high,
                          int_to_bits(k));
  }
};

}  // namespace hp::HP_ISA_NS
