// JSON from outside, parsed within bounds: no NaN, no key twice in one object, no deep nesting.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>

#include "absl/strings/string_view.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

// `where` names the text in messages. INVALID_ARGUMENT with the parser's line and column.
[[nodiscard]] absl::StatusOr<nlohmann::json> ParseCheckedJson(absl::string_view text, absl::string_view where,
                                                              std::size_t most_bytes, int most_depth);

}  // namespace dvren::analysis
