// Stochastic gradient descent with momentum, Nesterov's too (Sutskever et al., "On the importance of initialization and
// momentum in deep learning", 2013), as PyTorch writes them: the momentum is a sum of gradients, not scaled.
#pragma once

#include "bodies/update_args.h"
#include "lanes/math.h"
#include "optimizers/clip.h"

namespace hp::HP_ISA_NS {

struct optimizer_sgd {
  static constexpr int kMoments = 1;
  HP_FN static F step(const UpdateArgs& a, F value, F gradient, F rate, F moment[kMoments]) {
    gradient = clipped(a, gradient);
    gradient = madd(splat(Real(a.weight_decay)), value, gradient);
    moment[0] = madd(splat(Real(a.momentum)), moment[0], gradient);
    const F ahead = a.nesterov ? madd(splat(Real(a.momentum)), moment[0], gradient) : moment[0];
    return nmadd(rate, ahead, value);
  }
};

}  // namespace hp::HP_ISA_NS
