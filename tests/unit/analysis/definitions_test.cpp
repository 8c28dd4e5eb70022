// Operators and pipelines from YAML appear beside the built-in ones, and bad files are refused.
#include "dvren/analysis/definitions.h"

#include <catch2/catch.hpp>

namespace dvren::analysis {
namespace {

// A tri-plane encoding: three bilinear lookups, whose features are added.
const char* const kTriPlane = R"YAML(
operators:
  - name: TriPlane
    category: Encoding
    parameters:
      - {name: resolution, type: integer, default: 512, meaning: texels per axis}
      - {name: channels, type: integer, default: 16, meaning: features of a texel}
      - {name: active_ratio, type: real, default: 1, greatest: 1}
    forward:
      input_a: 3 * total_samples * active_ratio
      input_w: 3 * channels * pow(resolution, 2)
      output: channels * total_samples * active_ratio
      work:
        fma: 3 * 4 * channels * total_samples * active_ratio
        gather: 3 * 4 * channels * total_samples * active_ratio
        stream_read: 3 * total_samples * active_ratio
        stream_write: channels * total_samples * active_ratio
      formula: three planes, four texels each
    backward:
      input_a: channels * total_samples * active_ratio
      output: 3 * channels * pow(resolution, 2)
      work: {fma: 12 * channels * total_samples * active_ratio, scatter: 12 * channels * total_samples * active_ratio}
      formula: the adjoint adds to the same texels
pipelines:
  - name: tri_plane_render
    meaning: a frame of a tri-plane field
    parameters:
      - {name: width, type: integer, default: 64}
    nodes:
      - {id: sample, op: UniformSampler, external: 6 * rays}
      - {id: encode, op: TriPlane, set: {channels: width / 4}}
      - {id: network, op: MLP, bits: 16, set: {in_dim: width / 4, num_layers: 3, layer_width: width, out_dim: 4}}
      - {id: color, op: RGBRenderer, set: {background_color: black}}
    edges:
      - {from: sample, to: encode, elements: 3 * total_samples}
      - {from: encode, to: network}
      - {from: network, to: color}
      - {from: sample, to: color, elements: total_samples}
)YAML";

struct Registries {
  OperatorRegistry operators = BuiltinOperators();
  PipelineRegistry pipelines = BuiltinPipelines();
};

std::string Refusal(const std::string& text) {
  Registries r;
  const std::size_t operators = r.operators.operators().size(), pipelines = r.pipelines.pipelines().size();
  const absl::Status status = AddDefinitions("mine.yaml", text, r.operators, r.pipelines);
  REQUIRE_FALSE(status.ok());
  CHECK(r.operators.operators().size() == operators);
  CHECK(r.pipelines.pipelines().size() == pipelines);
  return std::string(status.message());
}

std::string Replaced(const std::string& from, const std::string& to) {
  std::string text = kTriPlane;
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("A defined operator is evaluated by its formulas") {
  Registries r;
  REQUIRE(AddDefinitions("mine.yaml", kTriPlane, r.operators, r.pipelines).ok());
  OperatorRequest request;
  request.rays = 100;
  request.samples = 10;
  request.parameters = {{"channels", std::string("8")}};
  const auto node = Evaluate(r.operators, "TriPlane", request, Mode::kCorrected);
  REQUIRE(node.ok());
  CHECK(node->class_name == "TriPlaneOperator");
  CHECK(node->input_w == 3 * 8 * 512 * 512);
  CHECK(node->work.fma == 3 * 4 * 8 * 1000);
  CHECK(node->work.gather_bytes == 3 * 4 * 8 * 1000 * 2);
  CHECK(node->formulas.at(0).id == "TriPlane.forward");
  request.backward = true;
  const auto backward = Evaluate(r.operators, "TriPlaneOperator", request, Mode::kCorrected);
  REQUIRE(backward.ok());
  CHECK(backward->work.scatter_bytes == node->work.gather_bytes);
  CHECK(Evaluate(r.operators, "TriPlane", request, Mode::kReference).status().message() ==
        "mode = reference: TriPlane has no published figures; use corrected mode");
}

TEST_CASE("A defined pipeline is built with defined and built-in operators") {
  Registries r;
  REQUIRE(AddDefinitions("mine.yaml", kTriPlane, r.operators, r.pipelines).ok());
  const auto pipeline = r.pipelines.Find("tri_plane_render");
  REQUIRE(pipeline.ok());
  PipelineRequest request;
  request.parameters = {{"width", std::int64_t{128}}};
  const auto graph = Build(**pipeline, request, Mode::kCorrected, r.operators);
  REQUIRE(graph.ok());
  CHECK(graph->nodes.size() == 4);
  CHECK(graph->nodes[1].output == 32 * 262'144);
  CHECK(graph->nodes[2].work.fma == 262'144 * Count(32 * 128 + 128 * 128 + 128 * 4));
}

TEST_CASE("A file that is wrong anywhere adds nothing and names the place") {
  CHECK(Refusal(Replaced("category: Encoding", "category: Coding")) ==
        "mine.yaml:3: TriPlane.category = Coding: one of Sampling, Encoding, FieldCompute, Blending, Optimization");
  CHECK(Refusal(Replaced("fma: 3 * 4 * channels", "fma: 3 * 4 * chanels")) ==
        "mine.yaml:14: TriPlane.forward.work.fma = \"3 * 4 * chanels * total_samples * active_ratio\": unknown name "
        "chanels; nearest is channels (character 9)");
  CHECK(Refusal(Replaced("gather:", "gathers:")) ==
        "mine.yaml:15: TriPlane.forward.work.gathers: unknown key; nearest is gather");
  CHECK(Refusal(Replaced("op: TriPlane", "op: TriPlan")) ==
        "mine.yaml:31: operator = TriPlan: unknown; nearest is TriPlane");
  CHECK(Refusal(Replaced("set: {channels:", "set: {chanels:")) ==
        "mine.yaml:31: tri_plane_render.encode.set.chanels: unknown key; nearest is channels");
  CHECK(Refusal(Replaced("to: encode,", "to: encoder,")) ==
        "mine.yaml:35: tri_plane_render.edges.to = encoder: no node has this id; nearest is encode");
  CHECK(Refusal(Replaced("name: TriPlane", "name: MLP")) ==
        "mine.yaml:3: operator = MLP: the name is taken; choose another");
  CHECK(Refusal(Replaced("name: tri_plane_render", "name: ICARUS")) ==
        "mine.yaml:25: pipeline = ICARUS: the name is taken; choose another");
  CHECK(Refusal(Replaced("default: 512", "default: 0")) ==
        "mine.yaml:6: TriPlane.parameters.resolution = 0: must be >= 1");
}

TEST_CASE("A defined pipeline with a cycle or an edge that does not fit is refused when it is read") {
  CHECK(Refusal(Replaced("- {from: encode, to: network}",
                         "- {from: encode, to: network}\n      - {from: network, to: encode}"))
            .find("form a cycle; a graph must be acyclic") != std::string::npos);
  CHECK(Refusal(Replaced("elements: 3 * total_samples}", "elements: 2 * total_samples}")) ==
        "mine.yaml:25: tri_plane_render: TriPlane (id 1) input_a = 786432: its edges and external input bring 524288");
}

TEST_CASE("A pipeline without nodes, or with very many, is refused") {
  CHECK(Refusal("pipelines:\n  - {name: p, nodes: []}\n") == "mine.yaml:2: p.nodes: must have 1 to 1000 nodes");
  std::string many = "pipelines:\n  - name: p\n    nodes:\n";
  for (int i = 0; i < 1001; ++i) many += "      - {id: n" + std::to_string(i) + ", op: ray}\n";
  CHECK(Refusal(many) == "mine.yaml:4: p.nodes: must have 1 to 1000 nodes");
}

TEST_CASE("A formula below zero or past int64 is an error when it is evaluated") {
  Registries r;
  const std::string text = R"YAML(
operators:
  - name: Odd
    category: Sampling
    forward:
      work:
        fma: rays - 100
        add: pow(rays, 9)
      formula: none
)YAML";
  REQUIRE(AddDefinitions("odd.yaml", text, r.operators, r.pipelines).ok());
  OperatorRequest request;
  request.rays = 10;
  CHECK(Evaluate(r.operators, "Odd", request, Mode::kCorrected).status().message() ==
        "Odd.fma = -90: must be >= 0; mend its formula");
  request.rays = 1000;
  CHECK(Evaluate(r.operators, "Odd", request, Mode::kCorrected).status().code() == absl::StatusCode::kOutOfRange);
}

TEST_CASE("YAML that refers, nests or repeats is refused") {
  CHECK(Refusal("a: &x [1]\nb: *x\n") == "mine.yaml:1: anchors and aliases are not used here; write the value out");
  CHECK(Refusal(std::string(100'000, '[')) == "mine.yaml:1: nested deeper than 16 levels; nothing here is");
  CHECK(Refusal("operators: []\noperators: []\n") == "mine.yaml:2: the key operators is there twice");
  CHECK(Refusal("operators: !!map {}\n") == "mine.yaml:1: tags are not used here; remove it");
  CHECK(Refusal("") == "mine.yaml:1: the file is empty");
  CHECK(Refusal("operator: []\n") == "mine.yaml:1: mine.yaml.operator: unknown key; nearest is operators");
  CHECK(Refusal("[1, 2").find("mine.yaml:1: no YAML") == 0);
  CHECK(Refusal(std::string((1 << 20) + 1, ' ')).find("must be <= 1048576") != std::string::npos);
}

TEST_CASE("A file that is not there is NOT_FOUND") {
  Registries r;
  CHECK(AddDefinitionFile("/nowhere/mine.yaml", r.operators, r.pipelines).code() == absl::StatusCode::kNotFound);
}

}  // namespace dvren::analysis
