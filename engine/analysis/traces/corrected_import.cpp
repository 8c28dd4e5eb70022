// The import that counts what runs, once.
#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "analysis/traces/ordered_dag.h"
#include "analysis/traces/trace_operators.h"

namespace dvren::analysis {
namespace {

constexpr int kBits = 32;  // torch's default; tracers write no type
constexpr std::size_t kMostEdges = 8'000'000;

// Networks that nerfstudio builds unless told otherwise (NeRFField: base_mlp_num_layers = 8, base_mlp_layer_width =
// 256, skip_connections = (4,), head_mlp_num_layers = 2, head_mlp_layer_width = 128), by the sizes of their ends.
struct KnownNetwork {
  std::int64_t in, out, layers;
  std::vector<std::int64_t> skips;
};

const std::vector<KnownNetwork>& KnownNetworks() {
  static const std::vector<KnownNetwork> networks = {{63, 256, 8, {4}}, {283, 128, 2, {}}};
  return networks;
}

// Rays and samples of a tensor: all dimensions but the last two, and the one before the last. nullopt below two.
std::optional<std::pair<Count, Count>> RaysAndSamples(const TraceShape& shape, std::size_t features) {
  if (shape.size() < features + 2) return std::nullopt;
  Count rays = 1;
  for (std::size_t i = 0; i + features + 1 < shape.size(); ++i) {
    if (shape[i] == kUnknownDimension) return std::nullopt;
    rays = rays * shape[i];
  }
  const std::int64_t samples = shape[shape.size() - features - 1];
  if (samples == kUnknownDimension) return std::nullopt;
  return std::pair(rays, Count(samples));
}

std::optional<std::pair<Count, Count>> FirstOf(const std::vector<TraceShape>& shapes, std::size_t features) {
  for (const TraceShape& shape : shapes) {
    if (const auto size = RaysAndSamples(shape, features)) return size;
  }
  return std::nullopt;
}

class CorrectedImport {
 public:
  CorrectedImport(const ExecutionDag& dag, const OperatorRegistry& registry)
      : dag_(dag), operators_(dag, registry, Mode::kCorrected), calls_(dag.nodes.size(), false) {
    for (const ExecutionEdge& edge : dag.edges) calls_[edge.from] = calls_[edge.from] || edge.calls;
  }

  absl::StatusOr<ImportedTrace> Run() {
    operators_.Note(absl::StrCat("values are taken to be ", kBits, " bits wide: the trace states no type"));
    for (std::uint32_t i = 0; i < dag_.nodes.size(); ++i) {
      const ExecutionNode& node = dag_.nodes[i];
      const FunctionKind kind = ClassifyFunction(node.function);
      TraceOperator op = OperatorOf(node, kind, calls_[i]);
      if (op.name.empty()) continue;
      op.request.bits = kBits;
      op.request.rays = op.request.rays * node.count;
      if (node.count > 1) operators_.Note(absl::StrCat(kind.name, " counts each of its calls that fell together"));
      DVREN_RETURN_IF_ERROR(operators_.Add(i, op));
    }
    DVREN_RETURN_IF_ERROR(AddEdges());
    return std::move(operators_).Finish();
  }

 private:
  // An operator without name, and a note, where the node is none.
  TraceOperator OperatorOf(const ExecutionNode& node, const FunctionKind& kind, bool calls) {
    const auto none = [&](absl::string_view why) {
      operators_.Note(absl::StrCat(kind.name, " is left out: ", why));
      return TraceOperator();
    };
    if (calls || kind.type == "MODEL_WRAPPER") return none("it is a wrapper, and its callees are counted");
    if (kind.type == "HELPER") return none("it is a helper; weights along rays count with the renderer");
    if (!kind.known) return none("no rule knows it");

    TraceOperator op;
    const bool sampler = absl::StrContains(kind.type, "SAMPLING");
    if (sampler) {
      op.name = absl::StrContains(kind.type, "PDF") ? "PDFSampler" : "UniformSampler";
    } else if (kind.type == "HASH_ENCODING") {
      op.name = "HashEncoding";
    } else if (kind.name == "SHEncoding.forward") {
      op.name = SphericalHarmonics(node, &op.request.parameters);
    } else if (kind.type == "POSITIONAL_ENCODING") {
      op.name = Positional(node, &op.request.parameters);
    } else if (kind.type == "RFF_ENCODING" || kind.type == "FOURIER_ENCODING") {
      op.name = FourierFeatures(node, &op.request.parameters);
    } else if (absl::StrContains(kind.type, "COMPUTATION")) {
      op.name = Network(node, kind, &op.request.parameters);
    } else if (absl::StrContains(kind.type, "RGB") && absl::StrContains(kind.type, "RENDERING")) {
      op.name = "RGBRenderer";
    } else if (kind.type == "DEPTH_RENDERING" || kind.type == "ALPHA_BLENDING") {
      op.name = "DensityRenderer";
      if (kind.type == "ALPHA_BLENDING")
        operators_.Note(absl::StrCat(kind.name, " counts as DensityRenderer: one sum of weights along each ray"));
    } else {
      return none("no operator does what it does");
    }
    if (op.name.empty()) return none("its tensors have no sizes that its operator can have");

    // Samplers make what the others read: (rays, samples, features), or (rays, samples) where there are no features.
    std::optional<std::pair<Count, Count>> size;
    if (!sampler) size = FirstOf(node.inputs, 1);
    if (!size && !sampler) size = FirstOf(node.outputs, 1);
    if (!size) size = FirstOf(node.outputs, 0);
    if (!size) size = FirstOf(node.inputs, 0);
    if (!size) return none("the trace states no shape for it");
    op.request.rays = size->first;
    op.request.samples = size->second;
    return op;
  }

  std::string Positional(const ExecutionNode& node, ParameterMap* parameters) {
    const auto in = LastOfThree(node.inputs), out = LastOfThree(node.outputs);
    if (!in || !out) return "";
    // in·2·f, plus in where the position itself is part of the output.
    const bool include = *out % (2 * *in) == *in;
    const std::int64_t frequencies = (*out - (include ? *in : 0)) / (2 * *in);
    if (frequencies < 1 || *out != *in * (2 * frequencies + (include ? 1 : 0))) return "";
    *parameters = {{"input_dim", *in}, {"frequencies", frequencies}, {"include_input", include}};
    return "PositionalEncoding";
  }

  std::string FourierFeatures(const ExecutionNode& node, ParameterMap* parameters) {
    const auto in = LastOfThree(node.inputs), out = LastOfThree(node.outputs);
    if (!in || !out || *out % 2 != 0) return "";
    *parameters = {{"input_dim", *in}, {"num_features", *out / 2}};
    return "RFFEncoding";
  }

  std::string SphericalHarmonics(const ExecutionNode& node, ParameterMap* parameters) {
    const auto out = LastOfThree(node.outputs);
    if (!out) return "";
    const auto degree = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(*out)))) - 1;
    if (degree < 0 || (degree + 1) * (degree + 1) != *out) return "";
    *parameters = {{"degree", degree}};
    return "SphericalHarmonics";
  }

  std::string Network(const ExecutionNode& node, const FunctionKind& kind, ParameterMap* parameters) {
    const auto size = [&](const char* name) -> std::optional<std::int64_t> {
      const auto found = node.sizes.find(name);
      return found == node.sizes.end() ? std::nullopt : std::optional(found->second);
    };
    const bool head = kind.type == "DENSITY_FIELD_COMPUTATION" || kind.type == "RGB_FIELD_COMPUTATION";
    std::optional<std::int64_t> in = size(head ? "field_head_in_dim" : "mlp_in_dim");
    std::optional<std::int64_t> out = size(head ? "field_head_out_dim" : "mlp_out_dim");
    if (!in) in = LastOfThree(node.inputs);
    if (!out) out = LastOfThree(node.outputs);
    if (!in || !out) return "";
    std::int64_t layers = 1, width = *out;
    std::vector<std::int64_t> skips;
    const auto& known = KnownNetworks();
    const auto network =
        std::find_if(known.begin(), known.end(), [&](const auto& n) { return n.in == *in && n.out == *out; });
    if (const auto stated = size("mlp_num_layers"); stated && !head) {
      layers = *stated;
      width = size("mlp_layer_width").value_or(*out);
      skips = node.skip_connections.value_or(skips);
    } else if (!head && network != known.end()) {
      layers = network->layers;
      skips = network->skips;
      operators_.Note(absl::StrCat(kind.name, " of ", *in, " -> ", *out, " is taken for nerfstudio's default of ",
                                   layers, " layers"));
    } else if (!head) {
      operators_.Note(absl::StrCat(kind.name, " of ", *in, " -> ", *out,
                                   " counts as one layer, the least it can be: the trace states no layers"));
    }
    *parameters = {{"in_dim", *in}, {"num_layers", layers}, {"layer_width", width}, {"out_dim", *out}};
    if (!skips.empty()) (*parameters)["skip_connections"] = skips;
    return "MLP";
  }

  // What follows or reads what, over the calls that were left out. An edge of a caller to its callee is no flow of
  // data.
  absl::Status AddEdges() {
    OrderedDag flow(dag_.nodes.size());
    for (const ExecutionEdge& edge : dag_.edges) {
      if (!edge.flows || edge.from == edge.to) continue;
      if (!flow.Add(edge.from, edge.to)) operators_.Note("edge that closes a cycle is left out");
    }
    // The operators whose results reach each node without another operator between.
    std::vector<std::vector<std::uint32_t>> reaching(dag_.nodes.size());
    std::size_t edges = 0;
    for (const std::uint32_t node : TopologicalOrder(flow)) {
      std::vector<std::uint32_t> before;
      for (const std::uint32_t producer : flow.producers(node)) {
        const std::uint32_t at = operators_.NodeOf(producer);
        if (at != TraceOperators::kNone) {
          before.push_back(at);
        } else {
          before.insert(before.end(), reaching[producer].begin(), reaching[producer].end());
        }
      }
      std::sort(before.begin(), before.end());
      before.erase(std::unique(before.begin(), before.end()), before.end());
      edges += before.size();
      if (edges > kMostEdges) {
        return absl::ResourceExhaustedError(
            absl::StrCat("trace: more than ", kMostEdges, " edges between operators; give a shorter one"));
      }
      const std::uint32_t at = operators_.NodeOf(node);
      if (at == TraceOperators::kNone) {
        reaching[node] = std::move(before);
      } else {
        for (const std::uint32_t producer : before) operators_.AddEdge(producer, at);
      }
    }
    return absl::OkStatus();
  }

  [[nodiscard]] std::vector<std::uint32_t> TopologicalOrder(const OrderedDag& flow) const {
    std::vector<std::size_t> open(dag_.nodes.size());
    std::vector<std::uint32_t> order;
    for (std::uint32_t i = 0; i < open.size(); ++i) {
      open[i] = flow.producers(i).size();
      if (open[i] == 0) order.push_back(i);
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (const std::uint32_t consumer : flow.consumers(order[i])) {
        if (--open[consumer] == 0) order.push_back(consumer);
      }
    }
    return order;
  }

  const ExecutionDag& dag_;
  TraceOperators operators_;
  std::vector<bool> calls_;  // by node of the trace: it calls another that was traced
};

}  // namespace

absl::StatusOr<ImportedTrace> ImportCorrected(const ExecutionDag& dag, const OperatorRegistry& registry) {
  return CorrectedImport(dag, registry).Run();
}

}  // namespace dvren::analysis
