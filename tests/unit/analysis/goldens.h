// The published figures: operators.json and pipelines.json of the operators folder, beside the data folder.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "dvren/analysis/operator.h"

namespace dvren::test {

// ../shared/operators beside the repository, or $DVREN_DATA/../operators.
[[nodiscard]] std::string OperatorsFolder();
// Null, and says aloud that the test skips, where the file is not there.
[[nodiscard]] nlohmann::json LoadGolden(const std::string& name);

[[nodiscard]] analysis::ParameterMap ParametersOf(const nlohmann::json& args);
// Integers equal, real numbers to 1e-9 of the expected.
[[nodiscard]] bool Equals(const analysis::Count& count, const nlohmann::json& expected);

}  // namespace dvren::test
