// The known key that a misspelt one was meant to be.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dvren::server {

// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
[[nodiscard]] std::size_t EditDistance(std::string_view a, std::string_view b);
// The first of the closest; "" when none is known.
[[nodiscard]] std::string NearestKey(std::string_view key, const std::vector<std::string>& known);

}  // namespace dvren::server
