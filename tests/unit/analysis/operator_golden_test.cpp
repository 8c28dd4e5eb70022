// Reference mode gives every published figure of the operators.
#include <catch2/catch.hpp>
#include <cmath>

#include "dvren/analysis/operator_registry.h"
#include "dvren/analysis/roofline.h"
#include "unit/analysis/goldens.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;
using test::Equals;
using test::LoadGolden;
using test::ParametersOf;

OperatorRequest RequestOf(const json& golden) {
  OperatorRequest request;
  request.rays = golden["dim"][0].get<std::int64_t>();
  if (golden["dim"].size() > 1) request.samples = golden["dim"][1].get<std::int64_t>();
  request.parameters = ParametersOf(golden["args"]);
  return request;
}

bool ShapeEquals(const std::vector<Count>& shape, const json& expected) {
  if (shape.size() != expected.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!Equals(shape[i], expected[i])) return false;
  }
  return true;
}

void CheckCase(const json& golden) {
  INFO(golden.dump());
  const auto node = Evaluate(BuiltinOperators(), golden["class"], RequestOf(golden), Mode::kReference);
  REQUIRE(node.ok());
  CHECK(node->op_type == golden["op_type"]);
  CHECK(node->label == golden["label"]);
  CHECK(node->bits == golden["bitwidth"]);
  CHECK(node->backward == golden["backward"]);
  for (const auto& [count, name] : {std::pair(node->input_a, "input_a"),
                                    {node->input_w, "input_w"},
                                    {node->output, "output"},
                                    {node->num_ops, "num_ops"},
                                    {node->bytes_in, "bytes_in"},
                                    {node->bytes_out, "bytes_out"}}) {
    INFO(name << " = " << count.ToString());
    CHECK(Equals(count, golden[name]));
  }
  const json& backward_ops = golden["bwd_num_ops_formula"];
  CHECK(node->backward_num_ops_formula.has_value() == !backward_ops.is_null());
  if (!backward_ops.is_null()) CHECK(Equals(*node->backward_num_ops_formula, backward_ops));
  const json& backward_tensors = golden["bwd_tensors_formula"];
  CHECK(node->backward_tensors.has_value() == !backward_tensors.is_null());
  if (node->backward_tensors && !backward_tensors.is_null()) {
    CHECK(ShapeEquals({node->backward_tensors->begin(), node->backward_tensors->end()}, backward_tensors));
  }
  if (golden["in_shapes"].is_null()) {
    CHECK(node->input_shapes.empty());
  } else {
    REQUIRE(node->input_shapes.size() == golden["in_shapes"].size());
    for (std::size_t i = 0; i < node->input_shapes.size(); ++i) {
      CHECK(ShapeEquals(node->input_shapes[i], golden["in_shapes"][i]));
    }
    CHECK(ShapeEquals(node->output_shape, golden["out_shape"]));
  }
  const Count elements = node->input_a + node->input_w + node->output;
  CHECK(Equals(Count(node->num_ops.real() / elements.real()), golden["ai_ops_per_elem"]));
}

void CheckRoofline(const OperatorNode& node, const json& system, const json& golden) {
  RooflineMachine machine;
  machine.bytes_per_second = system["offchip_mem_bw_bytes_per_s"];
  machine.flops = system["flops"];
  machine.frequency_hz = system["frequency_hz"];
  machine.compute_efficiency = system["compute_efficiency"];
  machine.memory_efficiency = system["memory_efficiency"];
  const auto point = Roofline(node, machine);
  REQUIRE(point.ok());
  const auto near = [](double value, const json& expected) {
    return std::abs(value - expected.get<double>()) <= 1e-9 * std::abs(expected.get<double>());
  };
  CHECK(near(point->compute_time_s, golden["compute_time_s"]));
  CHECK(near(point->memory_time_s, golden["memory_time_s"]));
  CHECK(near(point->time_s, golden["exec_time_s"]));
  CHECK((point->compute_bound ? "C" : "M") == golden["bound"]);
  CHECK(near(point->intensity, golden["op_intensity_per_elem"]));
  CHECK(near(point->throughput, golden["throughput_ops_per_s"]));
  CHECK(near(point->cycles, golden["cycles"]));
}

}  // namespace

TEST_CASE("Every published operator case is reproduced exactly") {
  const json goldens = LoadGolden("operators.json");
  if (goldens.is_null()) return;
  REQUIRE(goldens["cases"].size() > 400);
  for (const json& golden : goldens["cases"]) CheckCase(golden);
}

TEST_CASE("The registry's 32 classes, their defaults, categories and metrics are the published ones") {
  const json goldens = LoadGolden("operators.json");
  if (goldens.is_null()) return;
  OperatorRegistry published;
  RegisterBuiltinOperators(published);
  CHECK(published.operators().size() == 32);
  CHECK(goldens["classes"].size() == 32);
  for (const auto& [name, golden] : goldens["classes"].items()) {
    INFO(name);
    const auto kind = published.Find(name);
    REQUIRE(kind.ok());
    const OperatorInfo& info = (*kind)->info();
    CHECK(*published.Find(golden["op_type"]) == *kind);
    CHECK(info.op_type == golden["op_type"]);
    CHECK(ToString(info.category) == golden["category"]);
    CHECK(info.metric == golden["metric"]);
    const ParameterMap defaults = ParametersOf(golden["params"]);
    for (const auto& [parameter, value] : defaults) {
      if (parameter == "dim" || parameter == "bitwidth") continue;
      if (parameter == "backward") {
        CHECK(info.backward_default == std::get<bool>(value));
        continue;
      }
      if (name == "RFFEncodingOperator" && parameter == "dim") continue;
      INFO(parameter);
      bool found = false;
      for (const ParameterSpec& spec : info.parameters) {
        if (spec.name != parameter) continue;
        found = true;
        CHECK(ToString(spec.default_value) == ToString(value));
        CHECK_FALSE(spec.corrected_only);
      }
      CHECK(found);
    }
  }
}

TEST_CASE(
    "The roofline script's figures are reproduced on both of its systems, Gaussians counted by the first dimension") {
  const json goldens = LoadGolden("operators.json");
  if (goldens.is_null()) return;
  int points = 0;
  for (const char* list : {"roofline_plot_cases", "roofline_big_cases"}) {
    for (const json& golden : goldens[list]) {
      INFO(golden.dump());
      const auto node = Evaluate(BuiltinOperators(), golden["class"], RequestOf(golden), Mode::kReference);
      REQUIRE(node.ok());
      CHECK(Equals(node->num_ops, golden["num_ops"]));
      if (golden.contains("output")) CHECK(Equals(node->output, golden["output"]));
      for (const auto& [system, key] : {std::pair("A100_script", "A100"), {"default", "default"}}) {
        CheckRoofline(*node, goldens["systems"][system], golden[key]);
        ++points;
      }
    }
  }
  CHECK(points == 2 * (25 + 8));
}

namespace {

OperatorNode Published(const std::string& name, Count rays, Count samples, ParameterMap parameters = {}) {
  OperatorRequest request;
  request.rays = rays;
  request.samples = samples;
  request.parameters = std::move(parameters);
  auto node = Evaluate(BuiltinOperators(), name, request, Mode::kReference);
  REQUIRE(node.ok());
  return *std::move(node);
}

const ParameterMap kSmallMlp = {{"in_dim", std::int64_t{32}},
                                {"num_layers", std::int64_t{3}},
                                {"layer_width", std::int64_t{64}},
                                {"out_dim", std::int64_t{4}}};

}  // namespace

TEST_CASE("HashEncoding of 4096 rays of 64 samples is 369,098,752 FLOPs") {
  const OperatorNode node = Published("HashEncoding", 4096, 64);
  CHECK(node.num_ops == 369'098'752);
  CHECK(node.input_a == 786'432);
  CHECK(node.output == 8'388'608);
}

TEST_CASE("An MLP of 32 inputs, three layers, width 64 and 4 outputs is 3,355,443,200 FLOPs with 6,532 parameters") {
  const OperatorNode node = Published("MLP", 4096, 64, kSmallMlp);
  CHECK(node.num_ops == 3'355'443'200);
  CHECK(node.input_a == 8'388'608);
  CHECK(node.input_w == 6'532);
  CHECK(node.backward_num_ops_formula == Count(6'710'886'400));
}

TEST_CASE("The published 70 MB of hash encoding and MLP are 4 bytes of each input and output, without weights") {
  Count bytes = 0;
  for (const OperatorNode& node : {Published("HashEncoding", 4096, 64), Published("MLP", 4096, 64, kSmallMlp)}) {
    bytes += 4 * (node.input_a + node.output);
  }
  CHECK(bytes == 74'448'896);
}

TEST_CASE("A reference operator reports its forward figures for backward, as the published one does") {
  OperatorRequest request;
  request.parameters = kSmallMlp;
  request.backward = true;
  const auto node = Evaluate(BuiltinOperators(), "MLP", request, Mode::kReference);
  REQUIRE(node.ok());
  CHECK(node->label == "MLP (B)");
  CHECK(node->num_ops == 3'355'443'200);
}

TEST_CASE("262,144 Gaussians against every tile are 6,619,922,432 operations") {
  const OperatorNode node = Published("FrustumCullProj", 262'144, 1);
  CHECK(node.num_ops == 6'619'922'432);
  CHECK(node.parts.size() == 4);
}

}  // namespace dvren::analysis
