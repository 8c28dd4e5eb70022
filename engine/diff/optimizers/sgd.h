// Stochastic gradient descent, with momentum and Nesterov's.
#pragma once

#include "dvren/diff/optimizer.h"

namespace dvren {

class Sgd final : public Optimizer {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Optimizer>> Create(const OptimizerSpec& spec);
  [[nodiscard]] hp_update_rule rule() const override { return HP_UPDATE_SGD; }

 private:
  using Optimizer::Optimizer;
  void SetNumbers(hp_update_desc& update) const override;
};

}  // namespace dvren
