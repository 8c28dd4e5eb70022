// Corrected mode: properties that hold for every pipeline of the registry.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "dvren/analysis/pipeline.h"

namespace dvren::analysis {
namespace {

OperatorGraph Corrected(const Pipeline& pipeline, std::int64_t rays, std::int64_t samples, ParameterMap parameters = {},
                        std::optional<int> bits = std::nullopt) {
  PipelineRequest request;
  request.rays = rays;
  request.samples = samples;
  request.parameters = std::move(parameters);
  request.bits = bits;
  auto graph = Build(pipeline, request, Mode::kCorrected);
  INFO(pipeline.info().name << ": " << graph.status());
  REQUIRE(graph.ok());
  return *std::move(graph);
}

OperatorGraph Corrected(const std::string& name, std::int64_t rays, std::int64_t samples,
                        ParameterMap parameters = {}) {
  const auto pipeline = BuiltinPipelines().Find(name);
  REQUIRE(pipeline.ok());
  return Corrected(**pipeline, rays, samples, std::move(parameters));
}

double Operations(const OperatorGraph& graph) {
  const auto totals = graph.Totals();
  REQUIRE(totals.ok());
  return totals->num_ops.real();
}

double Traffic(const OperatorGraph& graph) {
  const auto totals = graph.Totals();
  REQUIRE(totals.ok());
  return totals->work.TrafficBytes().real();
}

int CountOf(const OperatorGraph& graph, const std::string& label) {
  return static_cast<int>(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                        [&](const OperatorNode& node) { return node.label == label; }));
}

}  // namespace

TEST_CASE(
    "Every corrected pipeline is acyclic and its edges fit the tensors, at any size and share of active samples") {
  for (const auto& pipeline : BuiltinPipelines().pipelines()) {
    for (const auto& [rays, samples] : {std::pair(4096, 64), {1000, 37}, {1, 1}, {640'000, 192}}) {
      for (const double active : {1.0, 0.3}) {
        const OperatorGraph graph = Corrected(*pipeline, rays, samples, {{"active_ratio", active}});
        INFO(graph.name);
        CHECK(graph.Acyclic());
        CHECK(graph.CheckSizes().ok());
        CHECK(Operations(graph) > 0);
      }
    }
  }
}

TEST_CASE("Operations per ray of every pipeline do not depend on the number of rays, parameter updates apart") {
  for (const auto& pipeline : BuiltinPipelines().pipelines()) {
    const OperatorGraph once = Corrected(*pipeline, 1000, 64), thrice = Corrected(*pipeline, 3000, 64);
    for (std::size_t i = 0; i < once.nodes.size(); ++i) {
      const OperatorNode& node = once.nodes[i];
      if (node.op_type == "update" || node.op_type == "OptimizerStep") continue;
      INFO(once.name << " " << node.label);
      CHECK(thrice.nodes[i].num_ops.real() == Approx(3 * node.num_ops.real()).epsilon(1e-9));
    }
  }
}

TEST_CASE("A pipeline at 8 bits moves half of the value bytes of 16") {
  for (const auto& pipeline : BuiltinPipelines().pipelines()) {
    const auto narrow = Corrected(*pipeline, 1000, 64, {}, 8).Totals();
    const auto wide = Corrected(*pipeline, 1000, 64, {}, 16).Totals();
    REQUIRE((narrow.ok() && wide.ok()));
    INFO(pipeline->info().name);
    CHECK(2 * narrow->bytes.real() == Approx(wide->bytes.real()).epsilon(1e-9));
  }
}

TEST_CASE("Every training pipeline ends in an optimizer step on its gradients and begins its backward at a loss") {
  int training = 0;
  for (const auto& pipeline : BuiltinPipelines().pipelines()) {
    if (!pipeline->info().training || pipeline->info().name.find("_backward") != std::string::npos) continue;
    ++training;
    const OperatorGraph graph = Corrected(*pipeline, 4096, 64);
    INFO(graph.name);
    CHECK(CountOf(graph, "MseLoss (B)") + CountOf(graph, "loss (B)") == 1);
    CHECK(CountOf(graph, "OptimizerStep (B)") + CountOf(graph, "update (B)") >= 1);
  }
  CHECK(training == 5);
}

TEST_CASE("Instant3D trains its table and its network: each has a gradient and a step of its size") {
  const OperatorGraph graph = Corrected("instant3d", 4096, 64);
  CHECK(CountOf(graph, "HashEncoding (B)") == 1);
  CHECK(CountOf(graph, "MLP (B)") == 1);
  CHECK(CountOf(graph, "OptimizerStep (B)") == 2);
  for (const OperatorNode& node : graph.nodes) {
    if (node.label == "MLP (B)") CHECK(node.work.parameter_write_bytes == 6532 * 2);
  }
}

TEST_CASE("Without backward, a training pipeline is its forward half") {
  const auto pipeline = BuiltinPipelines().Find("instant3d");
  REQUIRE(pipeline.ok());
  PipelineRequest request;
  request.backward = false;
  for (const Mode mode : {Mode::kReference, Mode::kCorrected}) {
    const auto graph = Build(**pipeline, request, mode);
    REQUIRE(graph.ok());
    CHECK(graph->nodes.size() == 5);
    CHECK(graph->Acyclic());
  }
}

TEST_CASE("Optimisations reduce work: warping, sensitivity, subtiles, reuse, pruning, rows") {
  CHECK(Operations(Corrected("cicero", 4096, 64)) <
        0.15 * Operations(Corrected("cicero", 4096, 64, {{"render_ratio", 1.0}})));
  CHECK(Operations(Corrected("srender", 4096, 64, {{"fine_prop", 0.1}})) <
        Operations(Corrected("srender", 4096, 64, {{"fine_prop", 0.9}})));
  CHECK(Operations(Corrected("gscore", 4096, 64)) < Operations(Corrected("gaurast", 4096, 64)));
  CHECK(Traffic(Corrected("gsarch", 4096, 64, {{"gradient_keep", 0.2}})) <
        Traffic(Corrected("gsarch", 4096, 64, {{"gradient_keep", 1.0}})));
  const auto gather = [](const std::string& name) {
    const auto totals = Corrected(name, 4096, 64).Totals();
    REQUIRE(totals.ok());
    return totals->work.gather_bytes.real() + totals->work.scatter_bytes.real();
  };
  CHECK(gather("instant3d") < gather("hash_mlp_train"));
  // Rows share terms: fewer operations for the alphas than a splat evaluated pixel by pixel.
  double by_rows = 0, by_pixels = 0;
  for (const OperatorNode& node : Corrected("gbu", 4096, 64).nodes) {
    if (node.label == "RowProcessing") by_rows = node.work.Flops().real();
  }
  for (const OperatorNode& node : Corrected("gsarch", 4096, 64).nodes) {
    if (node.label == "FeatureCompute") by_pixels = node.work.Flops().real();
  }
  CHECK(by_rows < by_pixels);
}

TEST_CASE("A scene's Gaussians give the lists of a splatting pipeline") {
  // 1,000 Gaussians, half visible, four tiles each: 2,000 pairs of 256 pixels over 4,096 pixels.
  const OperatorGraph graph = Corrected("gaurast", 4096, 1, {{"gaussians", std::int64_t{1000}}});
  for (const OperatorNode& node : graph.nodes) {
    if (node.op_type == "GaussianAlphaBlend") CHECK(node.dims[1] == 125);
    if (node.op_type == "Sorting") CHECK(node.dims[0] == 2000);
    if (node.op_type == "FrustumCullProj") CHECK(node.dims[0] == 1000);
  }
}

TEST_CASE("A corrected pipeline in parts has the totals of the whole and stays acyclic") {
  for (const auto& pipeline : BuiltinPipelines().pipelines()) {
    const OperatorGraph whole = Corrected(*pipeline, 4096, 64);
    const OperatorGraph parts = whole.Expanded();
    INFO(whole.name);
    CHECK(parts.TopologicalOrder().ok());
    const auto a = whole.Totals(), b = parts.Totals();
    REQUIRE((a.ok() && b.ok()));
    for (const WorkCount::Counter& counter : WorkCount::Counters()) {
      CHECK((a->work.*counter.field).real() == Approx((b->work.*counter.field).real()).epsilon(1e-9));
    }
  }
}

TEST_CASE("The dense training step is the launches fused, backward, loss and update") {
  const OperatorGraph graph = Corrected("dense_train", 4096, 64);
  CHECK(CountOf(graph, "fused") == 1);
  CHECK(CountOf(graph, "backward (B)") == 1);
  CHECK(CountOf(graph, "loss (B)") == 1);
  CHECK(CountOf(graph, "update (B)") == 1);
  // 128^3 voxels of four values, f32 with two moments, read and written once.
  for (const OperatorNode& node : graph.nodes) {
    if (node.op_type == "update") CHECK(node.work.ParameterBytes() == 2 * 3 * 4 * 4 * Count(128 * 128 * 128));
  }
}

TEST_CASE("A cyclic graph is refused and names the cycle") {
  const auto pipeline = BuiltinPipelines().Find("gsarch");
  REQUIRE(pipeline.ok());
  const auto graph = Build(**pipeline, {}, Mode::kReference);
  REQUIRE(graph.ok());
  CHECK_FALSE(graph->Acyclic());
  CHECK(graph->TopologicalOrder().status().message() ==
        "gsarch: nodes 1, 2, 3, 4, 5, 6, 7, 8, 9 form a cycle; a graph must be acyclic");
}

TEST_CASE("A graph with an edge to nowhere, or the same edge or id twice, is refused") {
  OperatorGraph graph;
  graph.name = "g";
  graph.nodes.resize(2);
  graph.nodes[1].id = 1;
  graph.edges = {{0, 7, 0}};
  CHECK(graph.CheckEdges().message() == "g: edge 0 -> 7: no node has the id 7");
  graph.edges = {{0, 1, 0}, {0, 1, 0}};
  CHECK(graph.CheckEdges().message() == "g: edge 0 -> 1: there twice; give it once");
  graph.nodes[1].id = 0;
  CHECK(graph.CheckEdges().message() == "g: node id = 0: there twice; ids are unique");
}

TEST_CASE("Totals past 2^63 are an error") {
  const auto pipeline = BuiltinPipelines().Find("icarus");
  REQUIRE(pipeline.ok());
  PipelineRequest request;
  request.rays = std::int64_t{1} << 45;
  request.samples = 192;
  CHECK(Build(**pipeline, request, Mode::kReference).status().code() == absl::StatusCode::kOutOfRange);
}

}  // namespace dvren::analysis
