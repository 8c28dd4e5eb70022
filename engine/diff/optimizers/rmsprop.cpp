#include "diff/optimizers/rmsprop.h"

namespace dvren {

absl::StatusOr<std::unique_ptr<Optimizer>> RmsProp::Create(const OptimizerSpec& spec) {
  DVREN_RETURN_IF_ERROR(RefuseNesterov(spec));
  return std::unique_ptr<Optimizer>(new RmsProp(spec));
}

void RmsProp::SetNumbers(hp_update_desc& update) const {
  update.beta2 = spec().beta2;
  update.epsilon = spec().epsilon;
  update.momentum = spec().momentum;
}

}  // namespace dvren
