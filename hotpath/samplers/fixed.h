// Fixed sampling: the midpoint of every segment.
#pragma once

#include "lanes/math.h"

namespace hp::HP_ISA_NS {

struct sampler_fixed {
  // Where in the segment, 0 … 1.
  HP_FN static F offset(uint64_t, U, U, I) { return splat(Real(0.5)); }
};

}  // namespace hp::HP_ISA_NS
