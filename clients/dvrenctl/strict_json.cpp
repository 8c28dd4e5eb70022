#include "strict_json.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>

#include "absl/strings/str_replace.h"
#include "nearest.h"
#include "values.h"

namespace dvren::ctl {
namespace {

using nlohmann::json;

// NaN, Infinity and -Infinity outside of strings become strings, so that the checks of each key can name them.
std::string QuoteNonFinite(const std::string& text) {
  std::string result;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size();) {
    if (in_string) {
      if (text[i] == '\\' && i + 1 < text.size())
        result += text[i++];
      else if (text[i] == '"')
        in_string = false;
      result += text[i++];
      continue;
    }
    bool replaced = false;
    for (const std::string word : {"NaN", "-Infinity", "Infinity"}) {
      if (text.compare(i, word.size(), word) == 0) {
        result += '"' + word + '"';
        i += word.size();
        replaced = true;
        break;
      }
    }
    if (replaced) continue;
    if (text[i] == '"') in_string = true;
    result += text[i++];
  }
  return result;
}

// What stands in an error for a value: short, on one line.
std::string Show(const json& value) {
  std::string text = value.is_string() && (value == "NaN" || value == "Infinity" || value == "-Infinity")
                         ? value.get<std::string>()
                         : value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

absl::StatusOr<json> ParseStrictJson(const std::string& text, const std::string& file) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string duplicate;
  const json::parser_callback_t watch = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      duplicate = value.get<std::string>();
    }
    return true;
  };
  json value;
  try {
    value = json::parse(QuoteNonFinite(text), watch, true, true);
  } catch (const json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error while …"
    std::string what = error.what();
    if (const auto at = what.find("] "); at != std::string::npos) what.erase(0, at + 2);
    return absl::InvalidArgumentError(absl::StrCat(file, ": is not JSON: ", absl::StrReplaceAll(what, {{"\n", " "}})));
  }
  if (!duplicate.empty())
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", duplicate, ": is there twice; keep one"));
  if (!value.is_object()) return absl::InvalidArgumentError(absl::StrCat(file, ": must be a JSON object, {…}"));
  return value;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return absl::NotFoundError(absl::StrCat("file = ", path, ": cannot be opened; check the path"));
  std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (stream.bad() || text.empty()) return InvalidField("file", path, "is empty or cannot be read");
  return text;
}

absl::Status StrictObject::Error(const std::string& key, const std::string& value, const std::string& remedy) const {
  return absl::InvalidArgumentError(absl::StrCat(file_, ": ", prefix_, key, " = ", value, ": ", remedy));
}

absl::Status StrictObject::Missing(const std::string& key, const std::string& remedy) const {
  return absl::InvalidArgumentError(absl::StrCat(file_, ": ", prefix_, key, ": is missing; ", remedy));
}

absl::Status StrictObject::OnlyKeys(std::span<const std::string> keys) const {
  for (const auto& [key, value] : object_.items()) {
    bool known = false;
    for (const std::string& candidate : keys) known = known || candidate == key;
    if (!known) {
      return absl::InvalidArgumentError(absl::StrCat(file_, ": ", prefix_, key, ": unknown key", Suggest(key, keys)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<double> StrictObject::Finite(const std::string& name, const json& value) const {
  if (!value.is_number()) return Error(name, Show(value), "must be a finite number");
  const double number = value.get<double>();
  if (!std::isfinite(number)) return Error(name, Show(value), "must be a finite number");
  return number;
}

absl::StatusOr<double> StrictObject::Number(const std::string& key) const {
  if (!Has(key)) return Missing(key, "give a number");
  return Finite(key, object_.at(key));
}

absl::StatusOr<double> StrictObject::NumberOr(const std::string& key, double fallback) const {
  if (!Has(key)) return fallback;
  return Finite(key, object_.at(key));
}

absl::StatusOr<int> StrictObject::PositiveInt(const std::string& key) const {
  DVREN_ASSIGN_OR_RETURN(const double number, Number(key));
  if (number < 1 || number > std::numeric_limits<int>::max() || number != std::floor(number)) {
    return Error(key, Show(object_.at(key)), "must be a whole number >= 1");
  }
  return static_cast<int>(number);
}

absl::StatusOr<std::string> StrictObject::Choice(const std::string& key, std::span<const std::string> choices) const {
  const json& value = object_.at(key);
  const std::string text = value.is_string() ? value.get<std::string>() : Show(value);
  DVREN_ASSIGN_OR_RETURN(const std::size_t index, ParseChoice(absl::StrCat(file_, ": ", prefix_, key), text, choices));
  return choices[index];
}

absl::StatusOr<StrictObject> StrictObject::Object(const std::string& key) const {
  const json& value = object_.at(key);
  if (!value.is_object()) return Error(key, Show(value), "must be an object, {…}");
  return StrictObject(value, file_, prefix_ + key + ".");
}

absl::StatusOr<std::vector<double>> StrictObject::Numbers(const std::string& key) const {
  if (!Has(key)) return Missing(key, "give an array of numbers");
  const json& value = object_.at(key);
  if (!value.is_array()) return Error(key, Show(value), "must be an array of numbers");
  std::vector<double> numbers;
  for (std::size_t i = 0; i < value.size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(const double number, Finite(absl::StrCat(key, "[", i, "]"), value[i]));
    numbers.push_back(number);
  }
  return numbers;
}

absl::StatusOr<std::vector<double>> StrictObject::Rows(const std::string& key, std::size_t rows,
                                                       std::size_t columns) const {
  const std::string form = rows == 0 ? absl::StrCat("an array of rows of ", columns, " numbers")
                                     : absl::StrCat("an array of ", rows, " rows of ", columns, " numbers");
  if (!Has(key)) return Missing(key, "give " + form);
  const json& value = object_.at(key);
  if (!value.is_array()) return Error(key, Show(value), "must be " + form);
  if (rows != 0 && value.size() != rows) return Error(key, absl::StrCat(value.size(), " rows"), "must be " + form);
  std::vector<double> numbers;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string row = absl::StrCat(key, "[", i, "]");
    if (!value[i].is_array() || value[i].size() != columns) {
      return Error(row, Show(value[i]), absl::StrCat("must be ", columns, " numbers"));
    }
    for (std::size_t j = 0; j < columns; ++j) {
      DVREN_ASSIGN_OR_RETURN(const double number, Finite(absl::StrCat(row, "[", j, "]"), value[i][j]));
      numbers.push_back(number);
    }
  }
  return numbers;
}

bool StrictObject::IsInfinity(const std::string& key) const {
  const json& value = object_.at(key);
  return value.is_string() && (value == "Infinity" || value == "inf" || value == "infinity");
}

}  // namespace dvren::ctl
