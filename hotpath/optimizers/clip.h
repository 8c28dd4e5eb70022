// What happens to a gradient before an optimizer sees it: scaled, then limited by value. Every optimizer begins with
// it.
#pragma once

#include "bodies/update_args.h"
#include "lanes/math.h"

namespace hp::HP_ISA_NS {

// What is not a number stays so.
HP_FN F clipped(const UpdateArgs& a, F gradient) {
  const F limit = splat(Real(a.clip_value));
  gradient = gradient * splat(Real(a.gradient_scale));
  gradient = select(limit < gradient, limit, gradient);
  return select(gradient < -limit, -limit, gradient);
}

}  // namespace hp::HP_ISA_NS
