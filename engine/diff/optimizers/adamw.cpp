#include "diff/optimizers/adamw.h"

namespace dvren {

absl::StatusOr<std::unique_ptr<Optimizer>> AdamW::Create(const OptimizerSpec& spec) {
  DVREN_RETURN_IF_ERROR(RefuseMomentum(spec));
  DVREN_RETURN_IF_ERROR(RefuseNesterov(spec));
  return std::unique_ptr<Optimizer>(new AdamW(spec));
}

void AdamW::SetNumbers(hp_update_desc& update) const {
  update.beta1 = spec().beta1;
  update.beta2 = spec().beta2;
  update.epsilon = spec().epsilon;
  update.decoupled = 1;
}

}  // namespace dvren
