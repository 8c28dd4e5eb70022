// Parameters of operators and pipelines: a specification (type, default, range) and the checked values.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::analysis {

// monostate is "none": a parameter that is not set.
using ParameterValue = std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::int64_t>>;
using ParameterMap = std::map<std::string, ParameterValue>;

// "16", "0.5", "true", "4,7", "none", …
[[nodiscard]] std::string ToString(const ParameterValue& value);

struct ParameterSpec {
  enum class Type { kBool, kInteger, kReal, kText, kIntegers };

  std::string name;
  Type type = Type::kInteger;
  ParameterValue default_value;  // none where a value is required or "none" has a meaning
  std::string meaning;           // with its unit
  bool required = false;
  bool optional = false;        // "none" is a value
  bool corrected_only = false;  // refused in reference mode
  double least = 1;             // of integers, reals and the entries of a list, inclusive
  double greatest = std::numeric_limits<double>::infinity();
  bool above_least = false;          // the bound itself is refused
  std::vector<std::string> choices;  // of a text; empty: any
  int entries = 0;                   // of a list; 0: any number
};

// Shorthands: PositiveInteger("num_levels", 16, "…").
[[nodiscard]] ParameterSpec PositiveInteger(std::string name, std::int64_t value, std::string meaning);
[[nodiscard]] ParameterSpec RequiredInteger(std::string name, std::string meaning);
[[nodiscard]] ParameterSpec IntegerFrom(std::string name, std::int64_t value, std::int64_t least, std::string meaning);
[[nodiscard]] ParameterSpec PositiveReal(std::string name, double value, std::string meaning);
[[nodiscard]] ParameterSpec Ratio(std::string name, double value, std::string meaning);  // (0, 1]
[[nodiscard]] ParameterSpec Flag(std::string name, bool value, std::string meaning);
[[nodiscard]] ParameterSpec Choice(std::string name, std::string value, std::vector<std::string> choices,
                                   std::string meaning);
[[nodiscard]] ParameterSpec Text(std::string name, std::string value, std::string meaning);
[[nodiscard]] ParameterSpec CorrectedOnly(ParameterSpec spec);
[[nodiscard]] ParameterSpec Optional(ParameterSpec spec);

// Checked values, one for every specification.
class Parameters {
 public:
  // Refuses names that no specification has (the nearest is suggested), wrong types and values out of range.
  // `owner` names the operator or pipeline in messages. A text is read as the parameter's type, so that `--set` and
  // files go the same way.
  [[nodiscard]] static absl::StatusOr<Parameters> Resolve(const std::string& owner,
                                                          const std::vector<ParameterSpec>& specs,
                                                          const ParameterMap& given);

  // Precondition: a specification has the name and this type.
  [[nodiscard]] bool Bool(const std::string& name) const { return std::get<bool>(values_.at(name)); }
  [[nodiscard]] std::int64_t Integer(const std::string& name) const { return std::get<std::int64_t>(values_.at(name)); }
  [[nodiscard]] double Real(const std::string& name) const { return std::get<double>(values_.at(name)); }
  [[nodiscard]] const std::string& Text(const std::string& name) const {
    return std::get<std::string>(values_.at(name));
  }
  [[nodiscard]] const std::vector<std::int64_t>& Integers(const std::string& name) const {
    return std::get<std::vector<std::int64_t>>(values_.at(name));
  }
  [[nodiscard]] bool IsSet(const std::string& name) const {
    return !std::holds_alternative<std::monostate>(values_.at(name));
  }
  [[nodiscard]] const ParameterMap& values() const { return values_; }

 private:
  ParameterMap values_;
};

// "name=value" of a `--set`; the value stays text until Resolve knows its type.
[[nodiscard]] absl::Status AddSetting(const std::string& setting, ParameterMap& parameters);

}  // namespace dvren::analysis
