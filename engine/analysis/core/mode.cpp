#include "dvren/analysis/mode.h"

namespace dvren::analysis {

std::string ToString(Mode mode) {
  return mode == Mode::kReference ? "reference" : "corrected";
}

absl::StatusOr<Mode> ParseMode(const std::string& text) {
  if (text == "reference") return Mode::kReference;
  if (text == "corrected") return Mode::kCorrected;
  return InvalidField("mode", text, "unknown; one of corrected, reference");
}

}  // namespace dvren::analysis
