// Reference mode gives every published figure of the nine accelerators' pipelines.
#include <catch2/catch.hpp>
#include <set>

#include "dvren/analysis/json.h"
#include "dvren/analysis/pipeline.h"
#include "unit/analysis/goldens.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;
using test::Equals;
using test::LoadGolden;

OperatorGraph Published(const std::string& name, std::int64_t rays, std::int64_t samples,
                        std::optional<int> bits = std::nullopt) {
  const auto pipeline = BuiltinPipelines().Find(name);
  REQUIRE(pipeline.ok());
  PipelineRequest request;
  request.rays = rays;
  request.samples = samples;
  request.bits = bits;
  auto graph = Build(**pipeline, request, Mode::kReference);
  REQUIRE(graph.ok());
  return *std::move(graph);
}

void CheckNode(const OperatorNode& node, const json& golden) {
  INFO(golden.dump());
  CHECK(node.id == golden["id"]);
  CHECK(node.label == golden["label"]);
  CHECK(node.class_name == golden["class"]);
  CHECK(ToString(node.category) == golden["category"]);
  CHECK(node.bits == golden["bitwidth"]);
  CHECK(node.backward == golden["backward"]);
  REQUIRE(node.dims.size() == golden["dim"].size());
  for (std::size_t i = 0; i < node.dims.size(); ++i) CHECK(Equals(node.dims[i], golden["dim"][i]));
  CHECK(Equals(node.input_a, golden["input_a"]));
  CHECK(Equals(node.input_w, golden["input_w"]));
  CHECK(Equals(node.output, golden["output"]));
  CHECK(Equals(node.num_ops, golden["num_ops"]));
  CHECK(Equals(node.bytes_in, golden["bytes_in"]));
  CHECK(Equals(node.bytes_out, golden["bytes_out"]));
  if (!golden["bwd_num_ops_formula"].is_null()) {
    CHECK(Equals(*node.backward_num_ops_formula, golden["bwd_num_ops_formula"]));
  }
  if (!golden.contains("sub_ops")) return;
  REQUIRE(node.parts.size() == golden["sub_ops"].size());
  for (std::size_t i = 0; i < node.parts.size(); ++i) {
    const json& part = golden["sub_ops"][i];
    CHECK(node.parts[i].op_type == part["op_type"]);
    CHECK(node.parts[i].bits == part["bitwidth"]);
    CHECK(Equals(node.parts[i].dims[0], part["dim"][0]));
    CHECK(Equals(node.parts[i].input_a, part["input_a"]));
    CHECK(Equals(node.parts[i].input_w, part["input_w"]));
    CHECK(Equals(node.parts[i].output, part["output"]));
    CHECK(Equals(node.parts[i].num_ops, part["num_ops"]));
  }
}

// Golden edges are sorted; those of a graph come in the order in which it was built.
json SortedEdges(const OperatorGraph& graph) {
  std::set<std::vector<int>> edges;
  for (const OperatorEdge& edge : graph.edges) edges.insert({edge.from, edge.to});
  return json(edges);
}

void CheckPipeline(const json& golden) {
  INFO(golden["pipeline"] << " " << golden["dim"].dump());
  const OperatorGraph graph = Published(golden["pipeline"], golden["dim"][0], golden["dim"][1]);
  REQUIRE(graph.nodes.size() == golden["nodes"].size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) CheckNode(graph.nodes[i], golden["nodes"][i]);
  CHECK(SortedEdges(graph) == golden["edges"]);

  const auto text = ToJson(graph);
  REQUIRE(text.ok());
  const json result = json::parse(*text);
  for (const auto& [name, value] : golden["totals"].items()) {
    INFO("totals." << name);
    CHECK(result["totals"][name] == value);
  }
  CHECK(result["by_category"] == golden["by_category"]);
  CHECK(result.contains("cycle") == golden.contains("cycle"));
  if (golden.contains("cycle")) CHECK(result["cycle"] == golden["cycle"]);
  if (golden.contains("fine_nodes")) {
    const OperatorGraph fine = graph.Expanded();
    json labels;
    for (const OperatorNode& node : fine.nodes) labels.push_back(node.label);
    CHECK(labels == golden["fine_nodes"]);
    CHECK(SortedEdges(fine) == golden["fine_edges"]);
  }
}

}  // namespace

TEST_CASE("Every published pipeline is reproduced exactly, node by node and in its totals") {
  const json goldens = LoadGolden("pipelines.json");
  if (goldens.is_null()) return;
  std::set<std::string> names;
  for (const json& golden : goldens["pipelines"]) {
    CheckPipeline(golden);
    names.insert(golden["pipeline"]);
  }
  CHECK(names.size() == 9);
}

TEST_CASE("Of the 59 published edges, 22 fit the tensors at both ends") {
  int edges = 0, consistent = 0;
  for (const char* name :
       {"icarus", "neurex", "cicero", "gscore", "gaurast", "srender", "gsarch", "gbu", "instant3d"}) {
    const OperatorGraph graph = Published(name, 4096, std::string(name) == "icarus" ? 192 : 64);
    for (const OperatorEdge& edge : graph.edges) {
      ++edges;
      const OperatorNode& from = graph.nodes[static_cast<std::size_t>(edge.from)];
      if (from.output == graph.nodes[static_cast<std::size_t>(edge.to)].input_a) ++consistent;
    }
  }
  CHECK(edges == 59);
  CHECK(consistent == 22);
}

TEST_CASE("The published ICARUS insists on 192 samples") {
  const auto pipeline = BuiltinPipelines().Find("ICARUS");
  REQUIRE(pipeline.ok());
  PipelineRequest request;
  const auto refused = Build(**pipeline, request, Mode::kReference);
  CHECK(refused.status().message() ==
        "icarus.samples = 64: the published pipeline insists on 192 per ray; use corrected mode for others");
}

TEST_CASE("Instant3D with backward formulas is 10,441,457,664 operations, of which the objects report 7,086,014,464") {
  const OperatorGraph graph = Published("instant3d", 4096, 64);
  const auto totals = graph.Totals();
  REQUIRE(totals.ok());
  CHECK(totals->num_ops == 7'086'014'464);
  CHECK(totals->num_ops_forward + totals->num_ops_backward_by_formula == 10'441'457'664);
}

TEST_CASE("A width that is asked for is that of every operator of a published pipeline") {
  const auto totals = Published("cicero", 4096, 64, 16).Totals();
  REQUIRE(totals.ok());
  CHECK(totals->bytes == 74'510'848);
}

}  // namespace dvren::analysis
