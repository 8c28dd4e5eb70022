// From traced calls to operators: the reference's figures with their overcounting, and what really ran.
#include "dvren/analysis/trace_import.h"

#include <algorithm>
#include <map>

#include "dvren/analysis/graph_tasks.h"
#include "operator_goldens.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

ImportedTrace Import(const std::string& json_text, Mode mode) {
  const auto dag = ReadExecutionDag(json_text);
  INFO(dag.status().message());
  REQUIRE(dag.ok());
  auto trace = ImportExecutionDag(*dag, BuiltinOperators(), mode);
  INFO(trace.status().message());
  REQUIRE(trace.ok());
  return *std::move(trace);
}

bool Notes(const ImportedTrace& trace, const std::string& what) {
  return std::any_of(trace.notes.begin(), trace.notes.end(),
                     [&](const std::string& note) { return note.find(what) == 0; });
}

TEST_CASE("The vanilla NeRF trace becomes the reference's 22 operators, sizes, totals and edges") {
  const auto golden = ReadGolden("schedules.json");
  if (!golden) return;
  const ImportedTrace trace = Import(golden->at("vanilla_trace_input").dump(), Mode::kReference);
  const json& result = golden->at("vanilla_trace_result");
  REQUIRE(trace.graph.nodes.size() == result.at("ops").size());
  std::map<std::string, std::int64_t> types;
  for (std::size_t i = 0; i < trace.graph.nodes.size(); ++i) {
    const json& expected = result.at("ops")[i];
    const OperatorNode& node = trace.graph.nodes[i];
    INFO(expected);
    CHECK(trace.sources[i] == expected[0].get<std::uint32_t>());
    CHECK(node.op_type == expected[1].get<std::string>());
    CHECK(node.dims[0].integer() == expected[2][0].get<std::int64_t>());
    CHECK(node.dims[1].integer() == expected[2][1].get<std::int64_t>());
    CHECK(node.input_a.integer() == expected[3].get<std::int64_t>());
    CHECK(node.output.integer() == expected[4].get<std::int64_t>());
    CHECK(node.num_ops.integer() == expected[5].get<std::int64_t>());
    ++types[node.op_type];
  }
  CHECK(types == result.at("types").get<std::map<std::string, std::int64_t>>());
  const auto totals = trace.graph.Totals();
  REQUIRE(totals.ok());
  CHECK(totals->num_ops.integer() == result.at("total_flops").get<std::int64_t>());
  CHECK(totals->trace_rule_bytes.integer() == result.at("total_memory_bytes").get<std::int64_t>());

  std::vector<std::pair<std::string, std::string>> edges, expected;
  for (const OperatorEdge& edge : trace.graph.edges)
    edges.emplace_back("op_" + std::to_string(edge.from), "op_" + std::to_string(edge.to));
  expected = golden->at("cli_vanilla_nerf_trace").at("icarus_config").at("edges").get<decltype(expected)>();
  std::sort(edges.begin(), edges.end());
  std::sort(expected.begin(), expected.end());
  CHECK(edges == expected);
}

TEST_CASE("From the trace to the schedules of eight configurations nothing but the trace is given") {
  const auto golden = ReadGolden("schedules.json");
  if (!golden) return;
  const ImportedTrace trace = Import(golden->at("vanilla_trace_input").dump(), Mode::kReference);
  const auto tasks = ReferenceTraceTasks(trace.graph);
  REQUIRE(tasks.ok());
  for (const auto& [name, expected] : golden->at("cli_vanilla_nerf_trace").items()) {
    INFO(name);
    std::string file = name;
    if (const auto at = file.find("_config"); at != std::string::npos) file.erase(at);
    const auto hardware = ReadHardware(std::string(DVREN_SOURCE_DIR) + "/configs/hardware/" + file + ".json");
    REQUIRE(hardware.ok());
    const auto report = ReferenceTraceSchedule(tasks->tasks, tasks->edges, *hardware);
    REQUIRE(report.ok());
    CHECK(report->schedule.total_cycles == expected.at("total_cycles").get<std::int64_t>());
    for (std::size_t i = 0; i < tasks->tasks.size(); ++i) {
      CHECK(tasks->tasks[i].id == expected.at("ops")[i][0].get<std::string>());
      CHECK(report->schedule.entries[i].start == expected.at("ops")[i][3].get<std::int64_t>());
    }
  }
}

TEST_CASE("Corrected, the vanilla NeRF trace does the network's true work, wrappers left out") {
  const auto golden = ReadGolden("schedules.json");
  if (!golden) return;
  const ImportedTrace trace = Import(golden->at("vanilla_trace_input").dump(), Mode::kCorrected);
  double mlp_flops = 0;
  std::map<std::string, int> types;
  for (const OperatorNode& node : trace.graph.nodes) {
    if (node.op_type == "MLP") mlp_flops += 2 * node.work.fma.real();
    ++types[node.op_type];
  }
  // 2 · 544,256 multiply-adds · 4096 · (64 + 193).
  CHECK(mlp_flops == golden->at("vanilla_trace_result").at("true_mlp_flops").get<double>());
  CHECK(types == std::map<std::string, int>{{"UniformSampler", 1},
                                            {"PDFSampler", 1},
                                            {"PositionalEncoding", 4},
                                            {"MLP", 8},
                                            {"RGBRenderer", 2},
                                            {"DensityRenderer", 4}});
  CHECK(Notes(trace, "NeRFField.get_density is left out: it is a wrapper"));
  CHECK(Notes(trace, "MLP.forward of 63 -> 256 is taken for nerfstudio's default of 8 layers"));
  CHECK(trace.graph.Acyclic());
  CHECK(trace.graph.CheckEdges().ok());
  // Encodings are 63 and 27 wide, renderers see every sample, the fine stage follows the coarse one.
  for (const OperatorNode& node : trace.graph.nodes) {
    if (node.op_type == "RGBRenderer") CHECK((node.dims[1] == Count(64) || node.dims[1] == Count(193)));
    if (node.op_type != "PositionalEncoding") continue;
    const double width = node.output.real() / node.dims[0].real() / node.dims[1].real();
    CHECK((width == 63 || width == 27));
  }
  std::vector<bool> reached(trace.graph.nodes.size(), false);
  reached[0] = true;
  const auto order = trace.graph.TopologicalOrder();
  REQUIRE(order.ok());
  for (const int id : *order) {
    for (const OperatorEdge& edge : trace.graph.edges) {
      if (edge.from == id && reached[static_cast<std::size_t>(id)]) reached[static_cast<std::size_t>(edge.to)] = true;
    }
  }
  CHECK(std::all_of(reached.begin(), reached.end(), [](bool r) { return r; }));
}

// A JSON graph of rows.
std::string Rows(const std::string& nodes, const std::string& edges = "") {
  return R"t({"nodes": [)t" + nodes + R"t(], "edges": [)t" + edges + "]}";
}

TEST_CASE("Functions that no rule knows are left out of corrected counts and named") {
  const std::string rows = Rows(R"t(["a.RGBRenderer.forward", "a.RGBRenderer.forward", "(8, 4, 3),(8, 4, 1)", "(8, 3)"],
                                   ["torch.optim.Adam.step", "torch.optim.Adam.step", "(8, 4, 3)", "(8, 4, 3)"])t");
  CHECK(Import(rows, Mode::kReference).graph.nodes.size() == 2);  // the step is an MLP of 8 × 256
  const ImportedTrace corrected = Import(rows, Mode::kCorrected);
  CHECK(corrected.graph.nodes.size() == 1);
  CHECK(Notes(corrected, "Adam.step is left out: no rule knows it (1×)"));
}

TEST_CASE("Calls that fell together are counted each in corrected mode and once in the reference") {
  const std::string rows =
      Rows(R"t(["m.RGBRenderer.forward", "m.RGBRenderer.forward", "(8, 4, 3)", "(8, 3)", null, 127])t");
  CHECK(Import(rows, Mode::kReference).graph.nodes[0].dims[0].integer() == 8);
  CHECK(Import(rows, Mode::kCorrected).graph.nodes[0].dims[0].integer() == 8 * 127);
}

TEST_CASE("A network whose layers are stated has them, and one whose are not counts as a single layer, with a note") {
  const auto node = [](const std::string& extra) {
    return R"t({"nodes": [{"id": "f.MLP.forward", "input_shapes": "(2, 2, 32)", "output_shapes": "(2, 2, 16)")t" +
           extra + R"t(}], "edges": []})t";
  };
  const ImportedTrace stated = Import(node(R"t(, "mlp_num_layers": 2, "mlp_layer_width": 64)t"), Mode::kCorrected);
  CHECK(stated.graph.nodes[0].work.fma.integer() == 4 * (32 * 64 + 64 * 16));
  const ImportedTrace unknown = Import(node(""), Mode::kCorrected);
  CHECK(unknown.graph.nodes[0].work.fma.integer() == 4 * 32 * 16);
  CHECK(Notes(unknown, "MLP.forward of 32 -> 16 counts as one layer"));
}

TEST_CASE("Calls without shapes of their own take a neighbour's in the reference, and are left out in corrected mode") {
  const std::string calls = R"t({"nodes": [{"id": "s.UniformSampler.generate_ray_samples", "output_shapes": "(8, 4)"},
      {"id": "d.DepthRenderer.forward"}], "edges": [[0, 1]]})t";
  const ImportedTrace reference = Import(calls, Mode::kReference);
  REQUIRE(reference.graph.nodes.size() == 2);
  CHECK(reference.graph.nodes[1].dims[1].integer() == 4);
  const ImportedTrace corrected = Import(calls, Mode::kCorrected);
  CHECK(corrected.graph.nodes.size() == 1);
  CHECK(Notes(corrected, "DepthRenderer.forward is left out: the trace states no shape for it"));
}

TEST_CASE("A cycle in a trace is cut, with a note, and overflow is an error that names the node") {
  const std::string sampler =
      R"t(["UniformSampler.generate_ray_samples", "UniformSampler.generate_ray_samples", "(8,)", "(8, 4)"])t";
  const std::string cyclic = Rows(
      sampler + R"t(, ["x.RGBRenderer.forward", "RGBRenderer.forward", "(8, 4, 3)", "(8, 3)"])t", "[0, 1], [1, 0]");
  for (const Mode mode : {Mode::kReference, Mode::kCorrected}) {
    const ImportedTrace trace = Import(cyclic, mode);
    CHECK(trace.graph.Acyclic());
    CHECK(trace.graph.edges.size() == 1);
  }
  CHECK(Notes(Import(cyclic, Mode::kCorrected), "edge that closes a cycle is left out (1×)"));
  const auto dag =
      ReadExecutionDag(Rows(R"t(["MLP.forward", "MLP.forward", "(1099511627776, 1099511627776, 3)", "(1, 1, 3)"])t"));
  REQUIRE(dag.ok());
  const auto trace = ImportExecutionDag(*dag, BuiltinOperators(), Mode::kCorrected);
  CHECK(trace.status().code() == absl::StatusCode::kOutOfRange);
  CHECK(trace.status().message().find("node MLP.forward: ") == 0);
}

TEST_CASE("A trace without any operator is refused") {
  const auto dag = ReadExecutionDag(Rows(R"t(["a.b", "a.b", "(8, 4)", "(8, 4)"])t"));
  REQUIRE(dag.ok());
  const auto trace = ImportExecutionDag(*dag, BuiltinOperators(), Mode::kCorrected);
  CHECK(trace.status().message() ==
        "trace: holds no function that stands for an operator; trace samplers, encodings, MLPs and renderers");
}

}  // namespace
}  // namespace dvren::analysis
