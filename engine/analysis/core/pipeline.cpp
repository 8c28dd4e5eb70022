#include "dvren/analysis/pipeline.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "analysis/core/nearest_name.h"

namespace dvren::analysis {
namespace {

absl::StatusOr<PipelineCase> Check(const PipelineInfo& info, const PipelineRequest& request, Mode mode) {
  const std::string& owner = info.name;
  if (request.rays < 1) return InvalidField(owner + ".rays", request.rays, "must be >= 1");
  if (request.samples < 1) return InvalidField(owner + ".samples", request.samples, "must be >= 1");
  if (mode == Mode::kReference && !info.published) {
    return InvalidField("mode", "reference", absl::StrCat(owner, " has no published figures; use corrected mode"));
  }
  if (request.backward.value_or(false) && !info.training) {
    return InvalidField(owner + ".backward", "true", "the pipeline only renders; leave it out");
  }
  if (mode == Mode::kReference && !request.parameters.empty()) {
    const auto& [name, value] = *request.parameters.begin();
    return InvalidField(absl::StrCat(owner, ".", name), ToString(value),
                        "a published pipeline has no parameters; use corrected mode");
  }
  PipelineCase c;
  c.name = info.name;
  c.rays = request.rays;
  c.samples = request.samples;
  c.bits = request.bits;
  c.backward = request.backward.value_or(info.training);
  c.mode = mode;
  DVREN_ASSIGN_OR_RETURN(c.parameters, Parameters::Resolve(owner, info.parameters, request.parameters));
  return c;
}

void RemoveBackward(OperatorGraph& graph) {
  std::vector<int> removed;
  for (const OperatorNode& node : graph.nodes) {
    if (node.backward) removed.push_back(node.id);
  }
  const auto gone = [&removed](int id) { return std::find(removed.begin(), removed.end(), id) != removed.end(); };
  std::erase_if(graph.edges, [&](const OperatorEdge& edge) { return gone(edge.from) || gone(edge.to); });
  std::erase_if(graph.nodes, [](const OperatorNode& node) { return node.backward; });
}

}  // namespace

absl::StatusOr<OperatorGraph> Build(const Pipeline& pipeline, const PipelineRequest& request, Mode mode,
                                    const OperatorRegistry& operators) {
  DVREN_ASSIGN_OR_RETURN(PipelineCase c, Check(pipeline.info(), request, mode));
  c.operators = &operators;
  if (mode == Mode::kReference) {
    DVREN_ASSIGN_OR_RETURN(OperatorGraph graph, pipeline.Reference(c));
    if (!c.backward) RemoveBackward(graph);
    return graph;
  }
  DVREN_ASSIGN_OR_RETURN(OperatorGraph graph, pipeline.Corrected(c));
  DVREN_RETURN_IF_ERROR(graph.TopologicalOrder().status());
  DVREN_RETURN_IF_ERROR(graph.CheckSizes());
  return graph;
}

absl::Status PipelineRegistry::Add(std::shared_ptr<const Pipeline> pipeline) {
  for (const auto& known : pipelines_) {
    if (absl::EqualsIgnoreCase(known->info().name, pipeline->info().name)) {
      return absl::AlreadyExistsError(
          absl::StrCat("pipeline = ", pipeline->info().name, ": the name is taken; choose another"));
    }
  }
  pipelines_.push_back(std::move(pipeline));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Pipeline>> PipelineRegistry::Find(const std::string& name) const {
  std::vector<std::string> known;
  for (const auto& pipeline : pipelines_) {
    if (absl::EqualsIgnoreCase(pipeline->info().name, name)) return pipeline;
    known.push_back(pipeline->info().name);
  }
  return absl::NotFoundError(absl::StrCat("pipeline = ", name, ": unknown", NearestHint(name, known)));
}

}  // namespace dvren::analysis
