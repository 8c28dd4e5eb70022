// RMSProp (Hinton, lecture 6e of "Neural Networks for Machine Learning", 2012), as PyTorch writes it, with momentum.
// beta2 is the decay of the mean square.
#pragma once

#include "bodies/update_args.h"
#include "lanes/math.h"
#include "optimizers/clip.h"

namespace hp::HP_ISA_NS {

struct optimizer_rmsprop {
  static constexpr int kMoments = 2;
  HP_FN static F step(const UpdateArgs& a, F value, F gradient, F rate, F moment[kMoments]) {
    gradient = clipped(a, gradient);
    gradient = madd(splat(Real(a.weight_decay)), value, gradient);
    moment[1] = madd(splat(Real(a.beta2)), moment[1], splat(Real(1 - a.beta2)) * gradient * gradient);
    const F direction = gradient / (square_root(moment[1]) + splat(Real(a.epsilon)));
    moment[0] = madd(splat(Real(a.momentum)), moment[0], direction);
    return nmadd(rate, moment[0], value);
  }
};

}  // namespace hp::HP_ISA_NS
