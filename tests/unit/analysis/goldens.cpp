#include "unit/analysis/goldens.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>

namespace dvren::test {

std::string OperatorsFolder() {
  const char* data = std::getenv("DVREN_DATA");
  return data != nullptr ? std::string(data) + "/../operators" : std::string(DVREN_SOURCE_DIR) + "/../shared/operators";
}

nlohmann::json LoadGolden(const std::string& name) {
  const std::string path = OperatorsFolder() + "/" + name;
  std::ifstream file(path);
  if (!file) {
    WARN("SKIPPED: no published figures at " << path << "; set DVREN_DATA to the data folder beside them");
    return nullptr;
  }
  return nlohmann::json::parse(file);
}

analysis::ParameterMap ParametersOf(const nlohmann::json& args) {
  analysis::ParameterMap parameters;
  for (const auto& [name, value] : args.items()) {
    if (value.is_boolean()) parameters[name] = value.get<bool>();
    if (value.is_number_integer()) parameters[name] = value.get<std::int64_t>();
    if (value.is_number_float()) parameters[name] = value.get<double>();
    if (value.is_string()) parameters[name] = value.get<std::string>();
    if (value.is_array()) parameters[name] = value.get<std::vector<std::int64_t>>();
    if (value.is_null()) parameters[name] = analysis::ParameterValue();
  }
  return parameters;
}

bool Equals(const analysis::Count& count, const nlohmann::json& expected) {
  if (expected.is_number_integer()) return count.exact() && count.integer() == expected.get<std::int64_t>();
  const double value = expected.get<double>();
  return std::abs(count.real() - value) <= 1e-9 * std::abs(value);
}

}  // namespace dvren::test
