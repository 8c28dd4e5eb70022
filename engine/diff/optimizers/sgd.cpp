#include "diff/optimizers/sgd.h"

namespace dvren {

absl::StatusOr<std::unique_ptr<Optimizer>> Sgd::Create(const OptimizerSpec& spec) {
  return std::unique_ptr<Optimizer>(new Sgd(spec));
}

void Sgd::SetNumbers(hp_update_desc& update) const {
  update.momentum = spec().momentum;
  update.nesterov = spec().nesterov ? 1 : 0;
}

}  // namespace dvren
