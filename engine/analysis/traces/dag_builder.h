// Puts an ExecutionDag together from whatever file it came from: names to places, attributes to fields, limits.
#pragma once

#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "dvren/analysis/execution_dag.h"

namespace dvren::analysis {

// A value of an attribute: none, whole number, number, text or list of whole numbers.
using DagAttribute = std::variant<std::monostate, std::int64_t, double, std::string, std::vector<std::int64_t>>;

class DagBuilder {
 public:
  explicit DagBuilder(std::string format) { dag_.format = std::move(format); }

  // The place of a new node. An id that is there already is an error.
  [[nodiscard]] absl::StatusOr<std::uint32_t> AddNode(std::string id);
  [[nodiscard]] absl::Status SetAttribute(std::uint32_t node, const std::string& name, const DagAttribute& value);
  [[nodiscard]] absl::StatusOr<std::uint32_t> Find(absl::string_view id) const;
  // `attributes` are the names of what the edge carries. A second edge between two nodes joins the first.
  [[nodiscard]] absl::Status AddEdge(std::uint32_t from, std::uint32_t to, const std::vector<std::string>& attributes);

  // Fills what nodes lack from their ids, which hold function and shapes too.
  [[nodiscard]] absl::StatusOr<ExecutionDag> Finish() &&;

 private:
  [[nodiscard]] absl::Status SetShapes(ExecutionNode* node, const std::string& name, const DagAttribute& value,
                                       std::vector<TraceShape>* shapes);

  ExecutionDag dag_;
  std::unordered_map<std::string, std::uint32_t> place_;
  std::unordered_map<std::uint64_t, std::uint32_t> edge_;  // from, to → place in edges
  std::vector<std::uint16_t> attributes_;                  // by node
};

}  // namespace dvren::analysis
