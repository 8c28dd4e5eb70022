#include "dvren/analysis/parameters.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "analysis/core/nearest_name.h"

namespace dvren::analysis {
namespace {

using Type = ParameterSpec::Type;

std::string TypeName(Type type) {
  static constexpr const char* kNames[] = {"true or false", "a whole number", "a number", "a text",
                                           "whole numbers with commas between them"};
  return kNames[static_cast<int>(type)];
}

bool IsNone(const std::string& text) {
  return text == "none" || text == "null" || text == "None";
}

absl::StatusOr<ParameterValue> FromText(const ParameterSpec& spec, const std::string& field, const std::string& text) {
  if (spec.optional && IsNone(text)) return ParameterValue();
  const absl::Status wrong = InvalidField(field, text, absl::StrCat("must be ", TypeName(spec.type)));
  if (spec.type == Type::kText) return ParameterValue(text);
  if (spec.type == Type::kBool) {
    if (text == "true" || text == "True") return ParameterValue(true);
    if (text == "false" || text == "False") return ParameterValue(false);
    return wrong;
  }
  if (spec.type == Type::kInteger) {
    std::int64_t value = 0;
    if (!absl::SimpleAtoi(text, &value)) return wrong;
    return ParameterValue(value);
  }
  if (spec.type == Type::kReal) {
    double value = 0;
    if (!absl::SimpleAtod(text, &value)) return wrong;
    return ParameterValue(value);
  }
  absl::string_view list = absl::StripAsciiWhitespace(text);
  if (absl::ConsumePrefix(&list, "[") != absl::ConsumeSuffix(&list, "]")) return wrong;
  std::vector<std::int64_t> values;
  for (const absl::string_view part : absl::StrSplit(list, ',', absl::SkipWhitespace())) {
    if (!absl::SimpleAtoi(part, &values.emplace_back())) return wrong;
  }
  return ParameterValue(values);
}

template <class Number>
absl::Status CheckRange(const ParameterSpec& spec, const std::string& field, Number number) {
  const double value = static_cast<double>(number);
  const bool fits =
      std::isfinite(value) && (spec.above_least ? value > spec.least : value >= spec.least) && value <= spec.greatest;
  if (fits) return absl::OkStatus();
  std::string rule = absl::StrCat("must be ", spec.above_least ? "> " : ">= ", spec.least);
  if (std::isfinite(spec.greatest)) absl::StrAppend(&rule, " and <= ", spec.greatest);
  return InvalidField(field, number, rule);
}

absl::StatusOr<ParameterValue> Checked(const ParameterSpec& spec, const std::string& field, ParameterValue value) {
  if (const auto* text = std::get_if<std::string>(&value); text != nullptr) {
    DVREN_ASSIGN_OR_RETURN(value, FromText(spec, field, std::string(*text)));
  }
  if (const auto* whole = std::get_if<std::int64_t>(&value); whole != nullptr && spec.type == Type::kReal) {
    value = static_cast<double>(*whole);
  }
  if (std::holds_alternative<std::monostate>(value)) {
    if (spec.optional) return value;
    return InvalidField(field, "none", absl::StrCat("must be ", TypeName(spec.type)));
  }
  if (value.index() != static_cast<std::size_t>(spec.type) + 1) {
    return InvalidField(field, ToString(value), absl::StrCat("must be ", TypeName(spec.type)));
  }
  if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    DVREN_RETURN_IF_ERROR(CheckRange(spec, field, *whole));
  } else if (const auto* real = std::get_if<double>(&value)) {
    DVREN_RETURN_IF_ERROR(CheckRange(spec, field, *real));
  } else if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
    if (spec.entries > 0 && list->size() != static_cast<std::size_t>(spec.entries)) {
      return InvalidField(field, ToString(value), absl::StrCat("must have ", spec.entries, " entries"));
    }
    for (const std::int64_t entry : *list) DVREN_RETURN_IF_ERROR(CheckRange(spec, field, entry));
  } else if (const auto* text = std::get_if<std::string>(&value); text != nullptr && !spec.choices.empty()) {
    for (const std::string& choice : spec.choices) {
      if (*text == choice) return value;
    }
    return InvalidField(field, *text, absl::StrCat("one of ", absl::StrJoin(spec.choices, ", ")));
  }
  return value;
}

}  // namespace

std::string ToString(const ParameterValue& value) {
  struct Visitor {
    std::string operator()(std::monostate) const { return "none"; }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(std::int64_t whole) const { return absl::StrCat(whole); }
    std::string operator()(double real) const { return absl::StrCat(real); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const std::vector<std::int64_t>& list) const { return absl::StrJoin(list, ","); }
  };
  return std::visit(Visitor{}, value);
}

ParameterSpec PositiveInteger(std::string name, std::int64_t value, std::string meaning) {
  return IntegerFrom(std::move(name), value, 1, std::move(meaning));
}

ParameterSpec RequiredInteger(std::string name, std::string meaning) {
  ParameterSpec spec = IntegerFrom(std::move(name), 0, 1, std::move(meaning));
  spec.default_value = ParameterValue();
  spec.required = true;
  return spec;
}

ParameterSpec IntegerFrom(std::string name, std::int64_t value, std::int64_t least, std::string meaning) {
  ParameterSpec spec;
  spec.name = std::move(name);
  spec.default_value = value;
  spec.meaning = std::move(meaning);
  spec.least = static_cast<double>(least);
  return spec;
}

ParameterSpec PositiveReal(std::string name, double value, std::string meaning) {
  ParameterSpec spec;
  spec.name = std::move(name);
  spec.type = Type::kReal;
  spec.default_value = value;
  spec.meaning = std::move(meaning);
  spec.least = 0;
  spec.above_least = true;
  return spec;
}

ParameterSpec Ratio(std::string name, double value, std::string meaning) {
  ParameterSpec spec = PositiveReal(std::move(name), value, std::move(meaning));
  spec.greatest = 1;
  return spec;
}

ParameterSpec Flag(std::string name, bool value, std::string meaning) {
  ParameterSpec spec;
  spec.name = std::move(name);
  spec.type = Type::kBool;
  spec.default_value = value;
  spec.meaning = std::move(meaning);
  return spec;
}

ParameterSpec Choice(std::string name, std::string value, std::vector<std::string> choices, std::string meaning) {
  ParameterSpec spec = Text(std::move(name), std::move(value), std::move(meaning));
  spec.choices = std::move(choices);
  return spec;
}

ParameterSpec Text(std::string name, std::string value, std::string meaning) {
  ParameterSpec spec;
  spec.name = std::move(name);
  spec.type = Type::kText;
  spec.default_value = std::move(value);
  spec.meaning = std::move(meaning);
  return spec;
}

ParameterSpec CorrectedOnly(ParameterSpec spec) {
  spec.corrected_only = true;
  return spec;
}

ParameterSpec Optional(ParameterSpec spec) {
  spec.optional = true;
  spec.default_value = ParameterValue();
  return spec;
}

absl::StatusOr<Parameters> Parameters::Resolve(const std::string& owner, const std::vector<ParameterSpec>& specs,
                                               const ParameterMap& given) {
  Parameters parameters;
  std::vector<std::string> names;
  for (const ParameterSpec& spec : specs) {
    names.push_back(spec.name);
    const auto it = given.find(spec.name);
    if (it == given.end()) {
      if (spec.required) {
        return InvalidField(absl::StrCat(owner, ".", spec.name), "unset", absl::StrCat("required: ", spec.meaning));
      }
      parameters.values_[spec.name] = spec.default_value;
      continue;
    }
    DVREN_ASSIGN_OR_RETURN(parameters.values_[spec.name],
                           Checked(spec, absl::StrCat(owner, ".", spec.name), it->second));
  }
  for (const auto& [name, value] : given) {
    if (parameters.values_.count(name) == 0) {
      return InvalidField(absl::StrCat(owner, ".", name), ToString(value),
                          absl::StrCat("unknown parameter", NearestHint(name, names)));
    }
  }
  return parameters;
}

absl::Status AddSetting(const std::string& setting, ParameterMap& parameters) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) return InvalidField("--set", setting, "must be name=value");
  const std::string name(absl::StripAsciiWhitespace(setting.substr(0, equals)));
  if (!parameters.emplace(name, std::string(absl::StripAsciiWhitespace(setting.substr(equals + 1)))).second) {
    return InvalidField("--set", setting, absl::StrCat(name, " is given twice"));
  }
  return absl::OkStatus();
}

}  // namespace dvren::analysis
