#include "server/registries/display_name.h"

#include <algorithm>

namespace dvren::server {
namespace {

constexpr std::size_t kMaxCharacters = 128;

// Printable in an error message, whatever was sent.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, 64)) quoted.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
  return quoted + (text.size() > 64 ? "...\"" : "\"");
}

}  // namespace

absl::Status ValidateDisplayName(const std::string& display_name) {
  const auto characters = static_cast<std::size_t>(std::count_if(
      display_name.begin(), display_name.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  if (characters < 1 || characters > kMaxCharacters) {
    return InvalidField("display_name", Quoted(display_name),
                        absl::StrCat("must have 1 to ", kMaxCharacters, " characters"));
  }
  const bool control = std::any_of(display_name.begin(), display_name.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (control) return InvalidField("display_name", Quoted(display_name), "must not hold control characters");
  if (display_name.find('/') != std::string::npos) {
    return InvalidField("display_name", Quoted(display_name),
                        "must not hold '/', which is for names such as fields/{id}");
  }
  if (display_name.front() == ' ' || display_name.back() == ' ') {
    return InvalidField("display_name", Quoted(display_name), "must not begin or end with a blank");
  }
  return absl::OkStatus();
}

absl::Status ValidateRequestId(const std::string& request_id) {
  const bool printable = std::all_of(request_id.begin(), request_id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (printable && request_id.size() <= kMaxCharacters) return absl::OkStatus();
  return InvalidField("request_id", Quoted(request_id),
                      absl::StrCat("must be at most ", kMaxCharacters, " printable ASCII characters"));
}

}  // namespace dvren::server
