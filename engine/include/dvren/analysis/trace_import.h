// Operators from an execution graph.
//
// reference: as the first implementation does it, overcounting included: wrappers and unknown functions become MLPs of
// 8 × 256, renderers have the size of their output.
// corrected: what calls other traced functions is a wrapper and left out (its callees are counted), as are functions
// that no rule knows; sizes come from the tensors; calls that fell together count each. Every assumption is noted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dvren/analysis/execution_dag.h"
#include "dvren/analysis/operator_graph.h"
#include "dvren/analysis/operator_registry.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

struct ImportedTrace {
  OperatorGraph graph;                 // ids are places in nodes
  std::vector<std::uint32_t> sources;  // by node: its place in the ExecutionDag
  std::vector<std::string> notes;      // what was left out, repaired or assumed, with counts
};

// INVALID_ARGUMENT names the node; OUT_OF_RANGE where a quantity passes int64. A trace without any operator is an
// error.
[[nodiscard]] absl::StatusOr<ImportedTrace> ImportExecutionDag(const ExecutionDag& dag,
                                                               const OperatorRegistry& registry, Mode mode);

}  // namespace dvren::analysis
