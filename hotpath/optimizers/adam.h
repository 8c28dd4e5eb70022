// Adam (Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015), with PyTorch's place of epsilon and of weight
// decay: added to the gradient, or decoupled (Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019).
#pragma once

#include "bodies/update_args.h"
#include "lanes/math.h"
#include "optimizers/clip.h"

namespace hp::HP_ISA_NS {

struct optimizer_adam {
  static constexpr int kMoments = 2;
  // The value after the step; moments are updated.
  HP_FN static F step(const UpdateArgs& a, F value, F gradient, F rate, F moment[kMoments]) {
    gradient = clipped(a, gradient);
    const F decay = splat(Real(a.weight_decay));
    if (a.decoupled) {
      value = nmadd(rate * decay, value, value);
    } else {
      gradient = madd(decay, value, gradient);
    }
    moment[0] = madd(splat(Real(a.beta1)), moment[0], splat(Real(1 - a.beta1)) * gradient);
    moment[1] = madd(splat(Real(a.beta2)), moment[1], splat(Real(1 - a.beta2)) * gradient * gradient);
    const F spread = square_root(moment[1]) / splat(Real(a.root_correction2)) + splat(Real(a.epsilon));
    return nmadd(rate / splat(Real(a.correction1)), moment[0] / spread, value);
  }
};

}  // namespace hp::HP_ISA_NS
