// From operators to tasks: the reference's rules for inputs, and what corrected counts become.
#include "dvren/analysis/graph_tasks.h"

#include <algorithm>

#include "dvren/analysis/operator_registry.h"
#include "dvren/analysis/schedule.h"
#include "operator_goldens.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

OperatorRegistry Published() {
  OperatorRegistry registry;
  RegisterBuiltinOperators(registry);
  return registry;
}

TEST_CASE("The reference's taxonomy of its classes is by words in their names") {
  const auto golden = ReadGolden("operators.json");
  if (!golden) return;
  for (const auto& [name, expected] : golden->at("classes").items()) {
    INFO(name);
    CHECK(ReferenceTaxonomy(name) == expected.at("ir_taxonomy").get<std::string>());
  }
}

ParameterMap ParametersOf(const json& node, const OperatorInfo& info) {
  ParameterMap parameters;
  for (const ParameterSpec& spec : info.parameters) {
    if (!node.contains("params") || !node.at("params").contains(spec.name)) continue;
    const json& value = node.at("params").at(spec.name);
    if (value.is_boolean()) parameters[spec.name] = value.get<bool>();
    if (value.is_number_integer()) parameters[spec.name] = value.get<std::int64_t>();
    if (value.is_number_float()) parameters[spec.name] = value.get<double>();
    if (value.is_string()) parameters[spec.name] = value.get<std::string>();
    if (value.is_array()) parameters[spec.name] = value.get<std::vector<std::int64_t>>();
  }
  return parameters;
}

// A published pipeline built anew from its nodes' parameters.
OperatorGraph Graph(const json& pipeline, Mode mode) {
  const OperatorRegistry registry = Published();
  OperatorGraph graph;
  graph.name = pipeline.at("pipeline").get<std::string>();
  graph.mode = mode;
  for (const json& node : pipeline.at("nodes")) {
    const auto kind = registry.Find(node.at("class").get<std::string>());
    REQUIRE(kind.ok());
    OperatorRequest request;
    request.rays = node.at("dim")[0].get<std::int64_t>();
    if (node.at("dim").size() > 1) request.samples = node.at("dim")[1].get<std::int64_t>();
    if ((*kind)->info().takes_bitwidth) request.bits = node.at("bitwidth").get<int>();
    if ((*kind)->info().takes_backward) request.backward = node.at("backward").get<bool>();
    request.parameters = ParametersOf(node, (*kind)->info());
    auto evaluated = Evaluate(**kind, request, mode);
    INFO(evaluated.status().message());
    REQUIRE(evaluated.ok());
    evaluated->id = node.at("id").get<int>();
    graph.nodes.push_back(*std::move(evaluated));
  }
  for (const json& edge : pipeline.at("edges")) graph.edges.push_back({edge[0].get<int>(), edge[1].get<int>(), 0});
  return graph;
}

TEST_CASE("Pipelines of registered operators take the cycles of the reference's C++ scheduler") {
  const auto golden = ReadGolden("schedules.json");
  const auto pipelines = ReadGolden("pipelines.json");
  if (!golden || !pipelines) return;
  for (const auto& [pipeline, configurations] : golden->at("cpp_sched_pipelines").items()) {
    for (const auto& [configuration, kinds] : configurations.items()) {
      const std::string wanted = pipeline;
      const json dim = kinds.at("dummy").at("dim");
      const json& all = pipelines->at("pipelines");
      const auto found = std::find_if(all.begin(), all.end(),
                                      [&](const json& p) { return p.at("pipeline") == wanted && p.at("dim") == dim; });
      REQUIRE(found != all.end());
      INFO(pipeline << " on " << configuration);
      const auto tasks = ReferencePipelineTasks(Graph(*found, Mode::kReference));
      REQUIRE(tasks.ok());
      std::string file = configuration;
      if (const auto at = file.find("_config"); at != std::string::npos) file.erase(at);
      const auto hardware = ReadHardware(std::string(DVREN_SOURCE_DIR) + "/configs/hardware/" + file + ".json");
      REQUIRE(hardware.ok());
      const auto schedule = ReferencePipelineSchedule(tasks->tasks, tasks->edges, *hardware, ReferenceDuration::kDummy);
      REQUIRE(schedule.ok());
      CHECK(schedule->total_cycles == kinds.at("dummy").at("total_cycles").get<std::int64_t>());
      for (std::size_t i = 0; i < tasks->tasks.size(); ++i) {
        INFO(tasks->tasks[i].label);
        CHECK(schedule->entries[i].start == kinds.at("dummy").at("entries")[i][0].get<std::int64_t>());
        CHECK(schedule->entries[i].duration == kinds.at("dummy").at("entries")[i][1].get<std::int64_t>());
      }
    }
  }
}

OperatorNode Node(const std::string& name, const OperatorRequest& request, int id) {
  auto node = Evaluate(Published(), name, request, Mode::kCorrected);
  INFO(node.status().message());
  REQUIRE(node.ok());
  node->id = id;
  return *node;
}

TEST_CASE("A composite is one task on a unit that lists it, and a task for each unit of its parts elsewhere") {
  OperatorGraph graph;
  graph.nodes = {Node("HashEncoding", {.rays = 1024, .samples = 64}, 0)};
  const auto read = [](const std::string& name) {
    const auto hardware = ReadHardware(std::string(DVREN_SOURCE_DIR) + "/configs/hardware/" + name + ".json");
    REQUIRE(hardware.ok());
    return *hardware;
  };
  const auto whole = TasksOf(graph, read("instant3d"));
  REQUIRE(whole.ok());
  REQUIRE(whole->tasks.size() == 1);
  // 8 corners of 16 levels of every sample.
  const auto gathers = static_cast<std::size_t>(WorkMeasure::kGathers);
  CHECK(whole->tasks[0].work[gathers] == 1024.0 * 64 * 8 * 16);
  CHECK(whole->tasks[0].table_bytes == graph.nodes[0].input_w.real() * 2);
  const auto parts = TasksOf(graph, read("neurex"));
  REQUIRE(parts.ok());
  REQUIRE(parts->tasks.size() == 2);
  CHECK(parts->tasks[0].op_type == "IndexGeneration");
  CHECK(parts->tasks[0].work[gathers] == 1024.0 * 64 * 8 * 16);
  CHECK(parts->tasks[1].op_type == "Interpolation");
  CHECK(parts->edges.size() == 1);
}

TEST_CASE(
    "Tensors that no operator of the graph makes or reads go through memory, those between two do not count twice") {
  OperatorGraph graph;
  graph.nodes = {Node("UniformSampler", {.rays = 1024, .samples = 64}, 0),
                 Node("MLP",
                      {.rays = 1024,
                       .samples = 64,
                       .parameters = {{"in_dim", std::int64_t{32}},
                                      {"num_layers", std::int64_t{2}},
                                      {"layer_width", std::int64_t{64}}}},
                      1)};
  graph.edges = {{0, 1, graph.nodes[1].input_a}};
  const auto hardware = ReadHardware(std::string(DVREN_SOURCE_DIR) + "/configs/hardware/icarus.json");
  REQUIRE(hardware.ok());
  const auto tasks = TasksOf(graph, *hardware);
  REQUIRE(tasks.ok());
  CHECK(tasks->tasks[1].read_bytes == 0);
  CHECK(tasks->tasks[1].write_bytes == 1024.0 * 64 * 64 * 2);
  CHECK(tasks->tasks[1].parameter_bytes == (32 * 64 + 64 * 64 + 128) * 2);
  CHECK(tasks->tasks[1].space == "1024x64");
  const auto schedule = ScheduleTasks(*tasks, *hardware);
  INFO(schedule.status().message());
  REQUIRE(schedule.ok());
  CHECK(ValidateSchedule(*tasks, *hardware, *schedule).ok());
  // 6144 multiply-adds per sample on 1024 a cycle of 400 MHz.
  CHECK(schedule->bounds.work_s == Approx(65536 * 6.0 / 400e6));
}

TEST_CASE("Graphs of the other mode are refused") {
  OperatorGraph graph;
  graph.mode = Mode::kReference;
  CHECK(TasksOf(graph, {}).status().message() ==
        "graph: mode = reference: must be corrected; reference graphs have schedules of their own");
  graph.mode = Mode::kCorrected;
  CHECK(ReferencePipelineTasks(graph).status().message() == "graph: mode = corrected: must be reference");
}

}  // namespace
}  // namespace dvren::analysis
