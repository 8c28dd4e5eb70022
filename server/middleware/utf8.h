// UTF-8: what is well formed, and text made so.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dvren::server {

// Length of the well-formed sequence at the begin of `text` (1 … 4), 0 when there is none or `text` is empty.
[[nodiscard]] std::size_t Utf8SequenceLength(std::string_view text);
[[nodiscard]] bool IsUtf8(std::string_view text);
// Every byte that belongs to no sequence becomes U+FFFD.
[[nodiscard]] std::string ToUtf8(std::string_view text);

}  // namespace dvren::server
