// JSON of analysis results, with the names of the golden files: nodes[] {id, op_type, input_a, input_w, output,
// num_ops, bytes_in, bytes_out, …}, edges[] [from, to], totals {num_ops, …}, by_category. Whole numbers are integers.
#pragma once

#include <string>

#include "dvren/analysis/operator_graph.h"

namespace dvren::analysis {

// UTF-8, two-space indents. OUT_OF_RANGE where a total passes int64.
[[nodiscard]] absl::StatusOr<std::string> ToJson(const OperatorGraph& graph);

}  // namespace dvren::analysis
