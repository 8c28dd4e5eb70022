// Fixed sampling: the midpoint of every segment.
#pragma once

#include "lanes/math.h"

namespace hp::HP_ISA_NS {

struct sampler_fixed {
  // What is the same for all segments of a ray.
  HP_FN static F ray_offset(uint64_t, U, U) { return splat(Real(0.5)); }
  // Where in the segment, 0 … 1.
  HP_FN static F offset(uint64_t, U, U, I, F) { return splat(Real(0.5)); }
};

}  // namespace hp::HP_ISA_NS
