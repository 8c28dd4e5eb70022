// Adam; weight decay is added to the gradient.
#pragma once

#include "dvren/diff/optimizer.h"

namespace dvren {

class Adam final : public Optimizer {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Optimizer>> Create(const OptimizerSpec& spec);
  [[nodiscard]] hp_update_rule rule() const override { return HP_UPDATE_ADAM; }

 private:
  using Optimizer::Optimizer;
  void SetNumbers(hp_update_desc& update) const override;
};

}  // namespace dvren
