// The graph of function calls that nerfstudio's tracer writes, as a pickle (execution_dag.pkl), GML or JSON.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

// Of one tensor; kUnknownDimension where the tracer wrote "?".
using TraceShape = std::vector<std::int64_t>;
inline constexpr std::int64_t kUnknownDimension = -1;

struct ExecutionNode {
  std::string id;        // "nerfstudio.field_components.mlp.MLP.forward[(4096, 64, 63)->(4096, 64, 256)]#1"
  std::string function;  // "nerfstudio.field_components.mlp.MLP.forward"
  std::vector<TraceShape> inputs, outputs;
  std::string stage;       // "coarse", "fine" or empty
  std::int64_t count = 1;  // calls that fell together
  // What a tracer may know of a network beside its shapes: mlp_in_dim, mlp_num_layers, mlp_layer_width, mlp_out_dim,
  // field_head_in_dim, field_head_out_dim (or field_head_dim).
  std::map<std::string, std::int64_t> sizes;
  std::optional<std::vector<std::int64_t>> skip_connections;  // mlp_skip_connections
};

struct ExecutionEdge {
  std::uint32_t from = 0, to = 0;  // places in nodes
  bool calls = false;              // `from` calls `to` (attribute weight)
  bool flows =
      false;  // `to` follows or reads `from` (sequence, data_concat, density_to_weights, stage_transition, or none)
};

struct ExecutionDag {
  std::string format;  // "pickle", "GML" or "JSON"
  std::vector<ExecutionNode> nodes;
  std::vector<ExecutionEdge> edges;
  std::map<std::string, std::int64_t> ignored;  // attributes that mean nothing here, and how often they occurred
};

// By its content: a pickle begins with byte 0x80, JSON with {, all else is GML. INVALID_ARGUMENT names what is wrong
// and where; RESOURCE_EXHAUSTED a limit (256 MiB, 10⁶ nodes, 8·10⁶ edges, 64 attributes of a node).
[[nodiscard]] absl::StatusOr<ExecutionDag> ReadExecutionDag(std::string bytes);
[[nodiscard]] absl::StatusOr<ExecutionDag> ReadExecutionDagPickle(std::string bytes);
[[nodiscard]] absl::StatusOr<ExecutionDag> ReadExecutionDagGml(absl::string_view text);
[[nodiscard]] absl::StatusOr<ExecutionDag> ReadExecutionDagJson(absl::string_view text);

// "(4096, 64),(4096, 64, 1)", "(4096,)", "no_tensors", "None", "?": tuples as Python prints them.
[[nodiscard]] absl::StatusOr<std::vector<TraceShape>> ParseTraceShapes(absl::string_view text);

}  // namespace dvren::analysis
