// The known name that a misspelt one was meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dvren::analysis {

// The first of the closest by insertions, deletions, substitutions (case ignored) and swaps of neighbours; "" when
// nothing is known.
[[nodiscard]] std::string NearestName(std::string_view name, const std::vector<std::string>& known);

// "; nearest is X", or "" when nothing is known.
[[nodiscard]] std::string NearestHint(std::string_view name, const std::vector<std::string>& known);

}  // namespace dvren::analysis
