// The first implementation's import, faults included.
#include <algorithm>
#include <map>
#include <queue>

#include "absl/strings/match.h"
#include "analysis/traces/ordered_dag.h"
#include "analysis/traces/trace_operators.h"
#include "dvren/analysis/graph_tasks.h"

namespace dvren::analysis {
namespace {

constexpr int kSweeps = 3;
constexpr std::int64_t kEncodingFeatures = 60;  // whatever the encoding's width
constexpr std::int64_t kLayers = 8, kWidth = 256, kSkip = 4, kHeadWidth = 128;

using Dim = std::optional<std::pair<std::int64_t, std::int64_t>>;  // rays, samples

// The first two dimensions of the first tensor that has two.
Dim FirstPair(const std::vector<TraceShape>& shapes) {
  for (const TraceShape& shape : shapes) {
    if (shape.size() >= 2 && shape[0] != kUnknownDimension && shape[1] != kUnknownDimension)
      return std::pair(shape[0], shape[1]);
  }
  return std::nullopt;
}

int Rank(const std::string& taxonomy) {
  static const std::map<std::string, int> order = {
      {"SAMPLING", 0}, {"ENCODING", 1}, {"FIELD_COMPUTATION", 2}, {"BLENDING", 3}};
  return order.at(taxonomy);
}

std::int64_t SizeOr(const ExecutionNode& node, const char* name, std::int64_t otherwise) {
  const auto found = node.sizes.find(name);
  return found == node.sizes.end() ? otherwise : found->second;
}

class ReferenceImport {
 public:
  ReferenceImport(const ExecutionDag& dag, const OperatorRegistry& registry)
      : dag_(dag),
        operators_(dag, registry, Mode::kReference),
        producers_(dag.nodes.size()),
        consumers_(dag.nodes.size()) {
    for (const ExecutionEdge& edge : dag.edges) {
      producers_[edge.to].push_back(edge.from);
      consumers_[edge.from].push_back(edge.to);
    }
  }

  absl::StatusOr<ImportedTrace> Run() {
    const std::vector<Dim> dims = Dims();
    for (std::uint32_t i = 0; i < dag_.nodes.size(); ++i) {
      const ExecutionNode& node = dag_.nodes[i];
      if (Artefact(node.function)) continue;
      TraceOperator op = OperatorOf(node);
      if (op.name.empty()) {
        operators_.Note(absl::StrCat(ClassifyFunction(node.function).name, " is dropped"));
        continue;
      }
      if (!dims[i]) {
        operators_.Note(
            absl::StrCat(ClassifyFunction(node.function).name, " is dropped: neither it nor a neighbour has a shape"));
        continue;
      }
      op.request.rays = dims[i]->first;
      op.request.samples = dims[i]->second;
      DVREN_RETURN_IF_ERROR(operators_.Add(i, op));
    }
    AddEdges();
    return std::move(operators_).Finish();
  }

 private:
  // What a tracer writes of a call's arguments.
  static bool Artefact(const std::string& function) {
    return absl::EndsWith(function, "args") || absl::EndsWith(function, "kwargs") || absl::EndsWith(function, ".self");
  }

  std::vector<Dim> Dims() const {
    std::vector<Dim> dims(dag_.nodes.size());
    for (std::size_t i = 0; i < dims.size(); ++i) {
      dims[i] = FirstPair(dag_.nodes[i].outputs);
      if (!dims[i]) dims[i] = FirstPair(dag_.nodes[i].inputs);
    }
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      for (std::size_t i = 0; i < dims.size(); ++i) {
        for (const auto* neighbours : {&producers_[i], &consumers_[i]}) {
          for (std::size_t k = 0; !dims[i] && k < neighbours->size(); ++k) dims[i] = dims[(*neighbours)[k]];
        }
      }
    }
    return dims;
  }

  static TraceOperator OperatorOf(const ExecutionNode& node) {
    const std::string type = ClassifyFunction(node.function).type;
    TraceOperator op;
    if (absl::StrContains(type, "UNIFORM") || absl::StrContains(type, "RAY_SAMPLING")) {
      op.name = "UniformSampler";
    } else if (absl::StrContains(type, "PDF")) {
      op.name = "PDFSampler";
    } else if (absl::StrContains(type, "FRUSTUM")) {
      op.name = "FrustumCulling";
    } else if (absl::StrContains(type, "HASH_ENCODING")) {
      op.name = "HashEncoding";
    } else if (absl::StrContains(type, "POSITIONAL") || absl::StrContains(type, "RFF")) {
      op.name = "RFFEncoding";
      op.request.parameters["num_features"] = kEncodingFeatures;
    } else if (absl::StrContains(type, "COMPUTATION")) {
      op.name = "MLP";
      SetNetwork(node, type, &op.request.parameters);
    } else if (absl::StrContains(type, "RGB") && absl::StrContains(type, "RENDERING")) {
      op.name = "RGBRenderer";
    } else if (type == "DEPTH_RENDERING" || type == "DENSITY_RENDERING") {
      op.name = "DensityRenderer";
    }
    return op;
  }

  static void SetNetwork(const ExecutionNode& node, const std::string& type, ParameterMap* parameters) {
    const std::optional<std::int64_t> in = LastOfThree(node.inputs);
    if (type == "DENSITY_FIELD_COMPUTATION" || type == "RGB_FIELD_COMPUTATION") {
      const std::int64_t out = SizeOr(node, "field_head_out_dim", type == "RGB_FIELD_COMPUTATION" ? 3 : 1);
      (*parameters)["in_dim"] = SizeOr(node, "field_head_in_dim", in.value_or(kHeadWidth));
      (*parameters)["num_layers"] = std::int64_t{1};
      (*parameters)["layer_width"] = out;
      (*parameters)["out_dim"] = out;
      return;
    }
    const std::int64_t width = SizeOr(node, "mlp_layer_width", kWidth);
    (*parameters)["in_dim"] = SizeOr(node, "mlp_in_dim", in.value_or(kWidth));
    (*parameters)["num_layers"] = SizeOr(node, "mlp_num_layers", kLayers);
    (*parameters)["layer_width"] = width;
    (*parameters)["out_dim"] = SizeOr(node, "mlp_out_dim", width);
    (*parameters)["skip_connections"] = node.skip_connections.value_or(std::vector<std::int64_t>{kSkip});
  }

  [[nodiscard]] int RankOf(std::uint32_t at) const { return Rank(ReferenceTaxonomy(operators_.node(at).class_name)); }

  void AddEdges() {
    OrderedDag kept(operators_.size());
    std::vector<std::pair<std::uint32_t, std::uint32_t>> edges;
    const auto add = [&](std::uint32_t from, std::uint32_t to) {
      if (RankOf(from) > RankOf(to)) {
        operators_.Note("edge against the order sampling, encoding, field, blending is dropped");
      } else if (!kept.Add(from, to)) {
        operators_.Note("edge that closes a cycle is dropped");
      } else {
        edges.emplace_back(from, to);
      }
    };
    for (std::uint32_t from = 0; from < dag_.nodes.size(); ++from) {
      for (const std::uint32_t to : consumers_[from]) {
        if (operators_.NodeOf(from) != TraceOperators::kNone && operators_.NodeOf(to) != TraceOperators::kNone) {
          add(operators_.NodeOf(from), operators_.NodeOf(to));
        }
      }
    }
    for (std::uint32_t at = 0; at < operators_.size(); ++at) {
      const int rank = RankOf(at);
      if (!kept.producers(at).empty() || rank < 2) continue;
      const std::uint32_t producer = NearestOfRank(operators_.SourceOf(at), rank - 1);
      if (producer == TraceOperators::kNone || !kept.Add(producer, at)) continue;
      edges.emplace_back(producer, at);
      operators_.Note("operator without producer follows the nearest call of the stage before it");
    }
    for (const auto& [from, to] : edges) {
      if (kept.Bypassed(from, to)) {
        operators_.Note("edge beside a longer path is dropped");
      } else {
        operators_.AddEdge(from, to);
      }
    }
  }

  // Upstream of a node of the trace, breadth first.
  [[nodiscard]] std::uint32_t NearestOfRank(std::uint32_t source, int rank) const {
    std::vector<bool> seen(dag_.nodes.size(), false);
    std::queue<std::uint32_t> open;
    open.push(source);
    seen[source] = true;
    while (!open.empty()) {
      const std::uint32_t node = open.front();
      open.pop();
      for (const std::uint32_t producer : producers_[node]) {
        if (seen[producer]) continue;
        seen[producer] = true;
        const std::uint32_t at = operators_.NodeOf(producer);
        if (at != TraceOperators::kNone && RankOf(at) == rank) return at;
        open.push(producer);
      }
    }
    return TraceOperators::kNone;
  }

  const ExecutionDag& dag_;
  TraceOperators operators_;
  std::vector<std::vector<std::uint32_t>> producers_, consumers_;  // in the trace, in its order
};

}  // namespace

absl::StatusOr<ImportedTrace> ImportAsReference(const ExecutionDag& dag, const OperatorRegistry& registry) {
  return ReferenceImport(dag, registry).Run();
}

}  // namespace dvren::analysis
