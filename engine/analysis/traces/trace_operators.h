// What both ways of importing a trace share: the operators found so far, evaluated once for each different request.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "dvren/analysis/function_rules.h"
#include "dvren/analysis/trace_import.h"

namespace dvren::analysis {

// An operator that a node of the trace stands for.
struct TraceOperator {
  std::string name;  // in the registry; empty: the node stands for none
  OperatorRequest request;
};

class TraceOperators {
 public:
  TraceOperators(const ExecutionDag& dag, const OperatorRegistry& registry, Mode mode)
      : dag_(dag), registry_(registry) {
    trace_.graph.mode = mode;
    trace_.graph.name = "trace";
    trace_.graph.nodes.reserve(dag.nodes.size());
    node_of_.assign(dag.nodes.size(), kNone);
  }

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  [[nodiscard]] absl::Status Add(std::uint32_t source, const TraceOperator& op);
  // The operator that a node of the trace became, or kNone.
  [[nodiscard]] std::uint32_t NodeOf(std::uint32_t source) const { return node_of_[source]; }
  [[nodiscard]] const OperatorNode& node(std::uint32_t at) const { return trace_.graph.nodes[at]; }
  [[nodiscard]] std::size_t size() const { return trace_.graph.nodes.size(); }
  [[nodiscard]] std::uint32_t SourceOf(std::uint32_t at) const { return trace_.sources[at]; }
  // The edge carries as much of the producer's output as the consumer can read.
  void AddEdge(std::uint32_t from, std::uint32_t to);
  // Counted: the same note is written once, with how often it was.
  void Note(const std::string& note) { ++notes_[note]; }
  [[nodiscard]] absl::StatusOr<ImportedTrace> Finish() &&;

 private:
  const ExecutionDag& dag_;
  const OperatorRegistry& registry_;
  ImportedTrace trace_;
  std::vector<std::uint32_t> node_of_;
  std::map<std::string, std::int64_t> notes_;
  std::unordered_map<std::string, OperatorNode> evaluated_;  // by request
};

// ---- shapes

// The last dimension of the first tensor of three dimensions or more, where it is known.
[[nodiscard]] std::optional<std::int64_t> LastOfThree(const std::vector<TraceShape>& shapes);

[[nodiscard]] absl::StatusOr<ImportedTrace> ImportAsReference(const ExecutionDag& dag,
                                                              const OperatorRegistry& registry);
[[nodiscard]] absl::StatusOr<ImportedTrace> ImportCorrected(const ExecutionDag& dag, const OperatorRegistry& registry);

}  // namespace dvren::analysis
