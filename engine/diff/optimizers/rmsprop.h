// RMSProp; beta2 is the decay of the mean square.
#pragma once

#include "dvren/diff/optimizer.h"

namespace dvren {

class RmsProp final : public Optimizer {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Optimizer>> Create(const OptimizerSpec& spec);
  [[nodiscard]] hp_update_rule rule() const override { return HP_UPDATE_RMSPROP; }

 private:
  using Optimizer::Optimizer;
  void SetNumbers(hp_update_desc& update) const override;
};

}  // namespace dvren
