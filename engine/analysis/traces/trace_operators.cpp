#include "analysis/traces/trace_operators.h"

#include <algorithm>

#include "io/printable.h"

namespace dvren::analysis {
namespace {

std::string KeyOf(const TraceOperator& op) {
  std::string key = absl::StrCat(op.name, "|", op.request.rays.ToString(), "|", op.request.samples.ToString(), "|",
                                 op.request.bits.value_or(0));
  for (const auto& [name, value] : op.request.parameters) absl::StrAppend(&key, "|", name, "=", ToString(value));
  return key;
}

}  // namespace

absl::Status TraceOperators::Add(std::uint32_t source, const TraceOperator& op) {
  const std::string key = KeyOf(op);
  auto found = evaluated_.find(key);
  if (found == evaluated_.end()) {
    auto node = Evaluate(registry_, op.name, op.request, trace_.graph.mode);
    if (!node.ok()) {
      return absl::Status(node.status().code(),
                          absl::StrCat("node ", io::Printable(dag_.nodes[source].id), ": ", node.status().message()));
    }
    found = evaluated_.emplace(key, *std::move(node)).first;
  }
  node_of_[source] = static_cast<std::uint32_t>(trace_.graph.nodes.size());
  trace_.graph.nodes.push_back(found->second);
  trace_.graph.nodes.back().id = static_cast<int>(node_of_[source]);
  trace_.sources.push_back(source);
  return absl::OkStatus();
}

void TraceOperators::AddEdge(std::uint32_t from, std::uint32_t to) {
  OperatorEdge edge;
  edge.from = static_cast<int>(from);
  edge.to = static_cast<int>(to);
  edge.elements = Min(node(from).output, node(to).input_a);
  trace_.graph.edges.push_back(std::move(edge));
}

absl::StatusOr<ImportedTrace> TraceOperators::Finish() && {
  if (trace_.graph.nodes.empty()) {
    return absl::InvalidArgumentError(
        "trace: holds no function that stands for an operator; trace samplers, encodings, MLPs and renderers");
  }
  for (const auto& [attribute, count] : dag_.ignored) {
    notes_[absl::StrCat("attribute ", attribute, " is not read")] += count;
  }
  for (const auto& [note, count] : notes_) trace_.notes.push_back(absl::StrCat(note, " (", count, "×)"));
  return std::move(trace_);
}

std::optional<std::int64_t> LastOfThree(const std::vector<TraceShape>& shapes) {
  for (const TraceShape& shape : shapes) {
    if (shape.size() < 3) continue;
    if (shape.back() == kUnknownDimension) return std::nullopt;
    return shape.back();
  }
  return std::nullopt;
}

absl::StatusOr<ImportedTrace> ImportExecutionDag(const ExecutionDag& dag, const OperatorRegistry& registry, Mode mode) {
  return mode == Mode::kReference ? ImportAsReference(dag, registry) : ImportCorrected(dag, registry);
}

}  // namespace dvren::analysis
