// l(e) = |e|; its slope at 0 is 0.
#pragma once

#include "dvren/diff/loss.h"

namespace dvren {

struct L1Loss {
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Loss>> Create(const LossSpec& spec);
};

}  // namespace dvren
