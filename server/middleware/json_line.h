// Text → JSON string literal. Every byte sequence gives valid JSON: what is not UTF-8 becomes U+FFFD.
#pragma once

#include <string>
#include <string_view>

namespace dvren::server {

// Appends `text` in quotes.
void AppendJsonString(std::string_view text, std::string* out);

}  // namespace dvren::server
