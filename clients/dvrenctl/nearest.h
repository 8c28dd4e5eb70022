// The name that somebody probably meant, for error messages.
#pragma once

#include <span>
#include <string>

namespace dvren::ctl {

// The candidate with the fewest edits to `word`; "" where none is near (more than two edits, or than half the word).
[[nodiscard]] std::string Nearest(const std::string& word, std::span<const std::string> candidates);

// "; did you mean fx?" or, where nothing is near, "; one of fx, fy".
[[nodiscard]] std::string Suggest(const std::string& word, std::span<const std::string> candidates);

}  // namespace dvren::ctl
