// JSON values of analysis results, for reports and files of this library.
#pragma once

#include <nlohmann/json.hpp>

#include "dvren/analysis/operator_graph.h"

namespace dvren::analysis {

// An integer, or a real number where the count is no whole number.
[[nodiscard]] nlohmann::ordered_json JsonOf(const Count& count);
[[nodiscard]] nlohmann::ordered_json JsonOf(const ParameterValue& value);
[[nodiscard]] nlohmann::ordered_json JsonOf(const OperatorNode& node);
[[nodiscard]] absl::StatusOr<nlohmann::ordered_json> JsonOf(const OperatorGraph& graph);

}  // namespace dvren::analysis
