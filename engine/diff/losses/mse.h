// l(e) = e^2: the mean of it is what PSNR measures.
#pragma once

#include "dvren/diff/loss.h"

namespace dvren {

struct MseLoss {
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Loss>> Create(const LossSpec& spec);
};

}  // namespace dvren
