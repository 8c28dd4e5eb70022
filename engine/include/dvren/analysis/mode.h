// The two ways in which an operator's cost is counted.
#pragma once

#include <string>

#include "dvren/core/status.h"

namespace dvren::analysis {

enum class Mode {
  kReference,  // the published figures, their faults included: what the golden files hold
  kCorrected,  // typed work, real widths, true backward: what a measurement can be held against
};

// "reference" or "corrected".
[[nodiscard]] std::string ToString(Mode mode);
[[nodiscard]] absl::StatusOr<Mode> ParseMode(const std::string& text);

}  // namespace dvren::analysis
