#include "diff/optimizers/sgd.h"

namespace dvren {

absl::StatusOr<std::unique_ptr<Optimizer>> Sgd::Create(const OptimizerSpec& spec) {
  if (spec.nesterov && spec.momentum == 0) {
    return InvalidField("optimizer.nesterov", "true", "needs optimizer.momentum > 0");
  }
  return std::unique_ptr<Optimizer>(new Sgd(spec));
}

void Sgd::SetNumbers(hp_update_desc& update) const {
  update.momentum = spec().momentum;
  update.nesterov = spec().nesterov ? 1 : 0;
}

}  // namespace dvren
