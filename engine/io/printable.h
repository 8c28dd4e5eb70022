// Names that come out of files, made fit for a message: one line of valid UTF-8. Internal to the engine.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace dvren::io {

// Length of the printable UTF-8 character at the front, 0 if there is none (control, overlong, surrogate, cut short).
[[nodiscard]] inline std::size_t PrintableCharacter(absl::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (text.empty() || byte(0) < 0x20 || byte(0) == 0x7f) return 0;
  if (byte(0) < 0x80) return 1;
  const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return 0;
  std::uint32_t code = byte(0) & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  static constexpr std::uint32_t kLeast[] = {0, 0, 0xa0, 0x800, 0x10000};  // 0x80 … 0x9f are controls
  if (code < kLeast[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
  return length;
}

// Whatever is not printable becomes '?'; at most 200 bytes.
[[nodiscard]] inline std::string Printable(absl::string_view text) {
  std::string out;
  while (!text.empty() && out.size() < 200) {
    const std::size_t length = PrintableCharacter(text);
    out.append(length == 0 ? "?" : std::string(text.substr(0, length)));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return text.empty() ? out : out + "...";
}

[[nodiscard]] inline bool IsPrintable(absl::string_view text) {
  while (!text.empty()) {
    const std::size_t length = PrintableCharacter(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace dvren::io
