#include "analysis/json/checked_json.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/printable.h"

namespace dvren::analysis {

using nlohmann::json;

absl::StatusOr<json> ParseCheckedJson(absl::string_view text, absl::string_view where, std::size_t most_bytes,
                                      int most_depth) {
  if (text.size() > most_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": is ", text.size(), " bytes; at most ", most_bytes));
  }
  bool deep = false;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string twice;
  const json::parser_callback_t watch = [&](int depth, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      twice = value.get<std::string>();
    }
    deep = deep || depth > most_depth;
    return depth <= most_depth;
  };
  json value;
  try {
    value = json::parse(text.begin(), text.end(), watch);
  } catch (const json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error while …"
    std::string what = error.what();
    if (const auto at = what.find("] "); at != std::string::npos) what.erase(0, at + 2);
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": is not JSON (which has no NaN or Infinity): ", io::Printable(what)));
  }
  if (deep) return absl::InvalidArgumentError(absl::StrCat(where, ": is nested deeper than ", most_depth));
  if (!twice.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": ", io::Printable(twice), ": is there twice; keep one"));
  }
  return value;
}

}  // namespace dvren::analysis
