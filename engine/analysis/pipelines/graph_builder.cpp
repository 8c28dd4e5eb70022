#include "analysis/pipelines/graph_builder.h"

namespace dvren::analysis {

GraphBuilder::GraphBuilder(const PipelineCase& c) : c_(c) {
  graph_.name = c.name;
  graph_.mode = c.mode;
}

int GraphBuilder::Forward(const std::string& kind, const Size& size, ParameterMap parameters, int bits) {
  return Add(kind, size, std::move(parameters), bits, false);
}

int GraphBuilder::Backward(const std::string& kind, const Size& size, ParameterMap parameters, int bits) {
  return Add(kind, size, std::move(parameters), bits, true);
}

int GraphBuilder::Add(const std::string& kind, const Size& size, ParameterMap parameters, int bits, bool backward) {
  OperatorRequest request;
  request.rays = size.rays;
  request.samples = size.samples;
  request.bits = c_.bits.value_or(bits);
  request.backward = backward;
  request.parameters = std::move(parameters);
  absl::StatusOr<OperatorNode> made = Evaluate(*c_.operators, kind, request, c_.mode);
  const int id = static_cast<int>(graph_.nodes.size());
  if (!made.ok()) status_.Update(made.status());
  graph_.nodes.push_back(made.ok() ? *std::move(made) : OperatorNode());
  graph_.nodes.back().id = id;
  return id;
}

void GraphBuilder::Connect(int from, int to) {
  Connect(from, to, Output(from));
}

void GraphBuilder::Connect(int from, int to, const Count& elements) {
  graph_.edges.push_back({from, to, elements});
}

void GraphBuilder::Chain(std::initializer_list<int> nodes) {
  for (auto to = nodes.begin() + 1; to < nodes.end(); ++to) Connect(*(to - 1), *to);
}

void GraphBuilder::External(int node, const Count& elements) {
  graph_.nodes[static_cast<std::size_t>(node)].external_input += elements;
}

absl::StatusOr<OperatorGraph> GraphBuilder::Finish() {
  DVREN_RETURN_IF_ERROR(status_);
  return std::move(graph_);
}

}  // namespace dvren::analysis
