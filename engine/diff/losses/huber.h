// l(e) = e^2/2 where |e| <= delta, else delta (|e| - delta/2): a square whose slope stops growing at delta (Huber 1964;
// the scaling is that of torch.nn.HuberLoss).
#pragma once

#include "dvren/diff/loss.h"

namespace dvren {

struct HuberLoss {
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Loss>> Create(const LossSpec& spec);
};

}  // namespace dvren
