// Operator graphs as what schedulers take.
#pragma once

#include <vector>

#include "dvren/analysis/hardware.h"
#include "dvren/analysis/operator_graph.h"
#include "dvren/analysis/reference_schedule.h"
#include "dvren/analysis/task_graph.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

// Tasks of a graph in corrected mode. A composite that no unit of `hardware` lists, though units list its parts,
// becomes one task for each run of parts of the same unit. INVALID_ARGUMENT for a graph in reference mode, OUT_OF_RANGE
// past int64.
[[nodiscard]] absl::StatusOr<TaskGraph> TasksOf(const OperatorGraph& graph, const Hardware& hardware);

// Tasks of a graph in reference mode, with ids n00, n01, … An operator's inputs are those of its shapes, where its
// class defines any, else its activations alone.
struct ReferenceTaskGraph {
  std::vector<ReferenceTask> tasks;
  ReferenceEdges edges;
};
[[nodiscard]] absl::StatusOr<ReferenceTaskGraph> ReferencePipelineTasks(const OperatorGraph& graph);
// The same of an imported trace: ids op_0, op_1, … and labels of four kinds, inputs without parameters.
[[nodiscard]] absl::StatusOr<ReferenceTaskGraph> ReferenceTraceTasks(const OperatorGraph& graph);

// SAMPLING, ENCODING, FIELD_COMPUTATION or BLENDING, by words in the class's name, as the reference sorts operators.
[[nodiscard]] std::string ReferenceTaxonomy(absl::string_view class_name);

}  // namespace dvren::analysis
