#include "analysis/definitions/definition_reader.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "analysis/core/nearest_name.h"

namespace dvren::analysis {

absl::Status DefinitionReader::Wrong(const YamlValue& value, const std::string& field, const std::string& why) const {
  return absl::InvalidArgumentError(absl::StrCat(source_, ":", value.line, ": ", field, ": ", why));
}

absl::Status DefinitionReader::At(const YamlValue& value, const absl::Status& status) const {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(source_, ":", value.line, ": ", status.message()));
}

absl::Status DefinitionReader::CheckMap(const YamlValue& value, const std::string& field,
                                        const std::vector<std::string>& keys) const {
  if (value.kind != YamlValue::Kind::kMap) return Wrong(value, field, "must be a map of keys to values");
  for (const auto& [key, entry] : value.entries) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return Wrong(entry, absl::StrCat(field, ".", key), absl::StrCat("unknown key", NearestHint(key, keys)));
    }
  }
  return absl::OkStatus();
}

absl::Status DefinitionReader::CheckList(const YamlValue& value, const std::string& field) const {
  if (value.kind == YamlValue::Kind::kList) return absl::OkStatus();
  return Wrong(value, field, "must be a list");
}

absl::StatusOr<std::string> DefinitionReader::Required(const YamlValue& map, const std::string& field,
                                                       const std::string& key) const {
  DVREN_ASSIGN_OR_RETURN(const std::string* given, Given(map, field, key));
  if (given == nullptr || given->empty()) return Wrong(map, absl::StrCat(field, ".", key), "must be given");
  return *given;
}

absl::StatusOr<std::string> DefinitionReader::GivenOr(const YamlValue& map, const std::string& field,
                                                      const std::string& key, const std::string& absent) const {
  DVREN_ASSIGN_OR_RETURN(const std::string* given, Given(map, field, key));
  return given != nullptr ? *given : absent;
}

absl::StatusOr<const std::string*> DefinitionReader::Given(const YamlValue& map, const std::string& field,
                                                           const std::string& key) const {
  const YamlValue* value = map.Find(key);
  if (value == nullptr) return nullptr;
  if (value->kind != YamlValue::Kind::kScalar) {
    return Wrong(*value, absl::StrCat(field, ".", key), "must be one value, not a list or map");
  }
  return &value->scalar;
}

absl::StatusOr<bool> DefinitionReader::Flag(const YamlValue& map, const std::string& field,
                                            const std::string& key) const {
  DVREN_ASSIGN_OR_RETURN(const std::string given, GivenOr(map, field, key, "false"));
  if (given == "true" || given == "false") return given == "true";
  return Wrong(map, absl::StrCat(field, ".", key, " = ", given), "must be true or false");
}

absl::StatusOr<Expression> DefinitionReader::Formula(const YamlValue& map, const std::string& field,
                                                     const std::string& key, const std::vector<std::string>& names,
                                                     const std::string& absent) const {
  DVREN_ASSIGN_OR_RETURN(const std::string text, GivenOr(map, field, key, absent));
  absl::StatusOr<Expression> formula = Expression::Parse(absl::StrCat(field, ".", key), text, names);
  if (!formula.ok()) return At(map.Find(key) != nullptr ? *map.Find(key) : map, formula.status());
  return formula;
}

absl::Status DefinitionReader::CheckName(const YamlValue& value, const std::string& field,
                                         const std::string& name) const {
  const bool letters = std::all_of(
      name.begin(), name.end(), [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; });
  if (letters && !name.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(name[0])) && name.size() <= 64) {
    return absl::OkStatus();
  }
  return Wrong(value, absl::StrCat(field, " = ", name),
               "must be at most 64 letters, digits and _, and not begin with a digit");
}

absl::StatusOr<std::vector<ParameterSpec>> DefinitionReader::ParameterList(const YamlValue& map,
                                                                           const std::string& field) const {
  std::vector<ParameterSpec> specs;
  const YamlValue* list = map.Find("parameters");
  if (list == nullptr) return specs;
  DVREN_RETURN_IF_ERROR(CheckList(*list, absl::StrCat(field, ".parameters")));
  for (const YamlValue& item : list->items) {
    DVREN_ASSIGN_OR_RETURN(ParameterSpec spec, Parameter(item, absl::StrCat(field, ".parameters")));
    std::vector<std::string> taken = NamesOf(specs);
    for (const ParameterSpec& known : specs) taken.push_back(known.name);
    taken.insert(taken.end(), {"bitwidth", "backward"});
    if (std::find(taken.begin(), taken.end(), spec.name) != taken.end()) {
      return Wrong(item, absl::StrCat(field, ".parameters.", spec.name), "the name is taken; choose another");
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

absl::StatusOr<ParameterSpec> DefinitionReader::Parameter(const YamlValue& value, const std::string& field) const {
  DVREN_RETURN_IF_ERROR(CheckMap(value, field, {"name", "type", "default", "least", "greatest", "meaning"}));
  DVREN_ASSIGN_OR_RETURN(const std::string name, Required(value, field, "name"));
  DVREN_RETURN_IF_ERROR(CheckName(value, field + ".name", name));
  const std::string path = absl::StrCat(field, ".", name);
  DVREN_ASSIGN_OR_RETURN(const std::string type, Required(value, path, "type"));
  DVREN_ASSIGN_OR_RETURN(const std::string default_text, Required(value, path, "default"));
  DVREN_ASSIGN_OR_RETURN(const std::string meaning, GivenOr(value, path, "meaning", ""));
  ParameterSpec spec;
  if (type == "integer") {
    spec = PositiveInteger(name, 1, meaning);
  } else if (type == "real") {
    spec = PositiveReal(name, 1, meaning);
  } else if (type == "flag") {
    spec = analysis::Flag(name, false, meaning);
  } else if (type == "text") {
    spec = Text(name, "", meaning);
  } else {
    return Wrong(value, absl::StrCat(path, ".type = ", type), "one of integer, real, flag, text");
  }
  for (const auto& [key, bound] : {std::pair("least", &spec.least), {"greatest", &spec.greatest}}) {
    DVREN_ASSIGN_OR_RETURN(const std::string* given, Given(value, path, key));
    if (given == nullptr) continue;
    if (type != "integer" && type != "real")
      return Wrong(value, absl::StrCat(path, ".", key), "numbers alone have bounds");
    if (!absl::SimpleAtod(*given, bound) || *bound != *bound) {
      return Wrong(value, absl::StrCat(path, ".", key, " = ", *given), "must be a number");
    }
    if (std::string_view(key) == "least") spec.above_least = false;
  }
  const absl::StatusOr<Parameters> checked = Parameters::Resolve(field, {spec}, {{name, default_text}});
  if (!checked.ok()) return At(value, checked.status());
  spec.default_value = checked->values().at(name);
  return spec;
}

std::vector<std::string> SizeNames() {
  return {"rays", "samples", "total_samples", "bits"};
}

std::vector<std::string> NamesOf(const std::vector<ParameterSpec>& specs) {
  std::vector<std::string> names = SizeNames();
  for (const ParameterSpec& spec : specs) {
    if (spec.type != ParameterSpec::Type::kText) names.push_back(spec.name);
  }
  return names;
}

Quantities QuantitiesOf(const Count& rays, const Count& samples, int bits, const Parameters& parameters) {
  Quantities quantities = {{"rays", rays}, {"samples", samples}, {"total_samples", rays * samples}, {"bits", bits}};
  for (const auto& [name, value] : parameters.values()) {
    if (const auto* flag = std::get_if<bool>(&value)) quantities[name] = *flag ? 1 : 0;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) quantities[name] = *whole;
    if (const auto* real = std::get_if<double>(&value)) quantities[name] = *real;
  }
  return quantities;
}

}  // namespace dvren::analysis
