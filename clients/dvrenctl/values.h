// Values of options: lists of numbers, choices. Errors are INVALID_ARGUMENT `--option = value: remedy`.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::ctl {

// "1,2.5,-3" into exactly `count` finite numbers; `form` such as "R,G,B" is shown in errors.
[[nodiscard]] absl::StatusOr<std::vector<double>> ParseNumbers(const std::string& option, const std::string& text,
                                                               std::size_t count, const std::string& form);
// The same for whole numbers of 32 bits.
[[nodiscard]] absl::StatusOr<std::vector<int>> ParseIntegers(const std::string& option, const std::string& text,
                                                             std::size_t count, const std::string& form);
// The index of `text` in `choices`.
[[nodiscard]] absl::StatusOr<std::size_t> ParseChoice(const std::string& option, const std::string& text,
                                                      std::span<const std::string> choices);
// "a,b,c" split at commas, blanks trimmed; empty text gives nothing.
[[nodiscard]] std::vector<std::string> SplitList(const std::string& text);

}  // namespace dvren::ctl
