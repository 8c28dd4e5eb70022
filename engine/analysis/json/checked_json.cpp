#include "analysis/json/checked_json.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

// Looks at the text without keeping it: the parser's own callbacks look through a whole array for each of its elements.
class Guard : public nlohmann::json_sax<json> {
 public:
  Guard(absl::string_view where, int most_depth) : where_(where), most_depth_(most_depth) {}

  [[nodiscard]] const absl::Status& status() const { return status_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    status_ = absl::InvalidArgumentError(absl::StrCat(where_, ": ", io::Printable(name), ": is there twice; keep one"));
    return false;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error while …"
    std::string what = error.what();
    if (const auto at = what.find("] "); at != std::string::npos) what.erase(0, at + 2);
    status_ = absl::InvalidArgumentError(
        absl::StrCat(where_, ": is not JSON (which has no NaN or Infinity): ", io::Printable(what)));
    return false;
  }

 private:
  bool Open() {
    keys_.emplace_back();
    if (keys_.size() <= static_cast<std::size_t>(most_depth_)) return true;
    status_ = absl::InvalidArgumentError(absl::StrCat(where_, ": is nested deeper than ", most_depth_));
    return false;
  }
  bool Close() {
    keys_.pop_back();
    return true;
  }

  const absl::string_view where_;
  const int most_depth_;
  std::vector<std::set<std::string>> keys_;  // of what is open; of arrays none
  absl::Status status_;
};

}  // namespace

absl::StatusOr<json> ParseCheckedJson(absl::string_view text, absl::string_view where, std::size_t most_bytes,
                                      int most_depth) {
  if (text.size() > most_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": is ", text.size(), " bytes; at most ", most_bytes));
  }
  Guard guard(where, most_depth);
  if (!json::sax_parse(text.begin(), text.end(), &guard)) {
    return guard.status().ok() ? absl::InvalidArgumentError(absl::StrCat(where, ": is not JSON")) : guard.status();
  }
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

}  // namespace dvren::analysis
