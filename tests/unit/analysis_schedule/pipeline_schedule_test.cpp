// The built-in pipelines on the published accelerators, in corrected mode.
#include <catch2/catch.hpp>

#include "dvren/analysis/graph_tasks.h"
#include "dvren/analysis/pipeline.h"
#include "dvren/analysis/schedule.h"

namespace dvren::analysis {
namespace {

Hardware Accelerator(const std::string& name) {
  auto hardware = ReadHardware(std::string(DVREN_SOURCE_DIR) + "/configs/hardware/" + name + ".json");
  INFO(hardware.status().message());
  REQUIRE(hardware.ok());
  return *std::move(hardware);
}

OperatorGraph Graph(const Pipeline& pipeline, std::int64_t rays) {
  PipelineRequest request;
  request.rays = rays;
  if (pipeline.info().name == "icarus") request.samples = 192;
  auto graph = Build(pipeline, request, Mode::kCorrected);
  INFO(pipeline.info().name << ": " << graph.status().message());
  REQUIRE(graph.ok());
  return *std::move(graph);
}

TEST_CASE("Every built-in pipeline has a valid schedule within its bounds on every accelerator that can run it") {
  int scheduled = 0;
  for (const auto& pipeline : BuiltinPipelines().pipelines()) {
    const OperatorGraph graph = Graph(*pipeline, 512);
    for (const char* name : {"icarus", "neurex", "neurex_server", "cicero", "gscore", "gsarch", "gbu", "instant3d"}) {
      INFO(pipeline->info().name << " on " << name);
      const Hardware hardware = Accelerator(name);
      const auto tasks = TasksOf(graph, hardware);
      REQUIRE(tasks.ok());
      const auto schedule = ScheduleTasks(*tasks, hardware, {.most_tiles = 64});
      if (!schedule.ok()) {
        // The one without a general unit.
        CHECK(hardware.general_unit.empty());
        CHECK(schedule.status().message().find("has no unit for it") != absl::string_view::npos);
        continue;
      }
      const absl::Status valid = ValidateSchedule(*tasks, hardware, *schedule);
      INFO(valid.message());
      CHECK(valid.ok());
      CHECK(schedule->makespan_s >= schedule->bounds.best_s() * (1 - 1e-9));
      CHECK(schedule->makespan_s <= schedule->sum_of_durations_s * (1 + 1e-9));
      ++scheduled;
    }
  }
  CHECK(scheduled >= 9 * 7);
}

TEST_CASE("Splatting pipelines run on GSCore without a fallback") {
  for (const char* name : {"gscore", "gaurast"}) {
    const Hardware hardware = Accelerator("gscore");
    const auto tasks = TasksOf(Graph(**BuiltinPipelines().Find(name), 512), hardware);
    REQUIRE(tasks.ok());
    const auto schedule = ScheduleTasks(*tasks, hardware);
    INFO(schedule.status().message());
    REQUIRE(schedule.ok());
    CHECK(schedule->notes.empty());
  }
}

TEST_CASE("ICARUS takes its network's multiply-adds by 1024 a cycle of 400 MHz, since the other stages overlap") {
  const Hardware hardware = Accelerator("icarus");
  const OperatorGraph graph = Graph(**BuiltinPipelines().Find("icarus"), 4096);
  double fma = 0;
  for (const OperatorNode& node : graph.nodes) {
    if (node.op_type == "MLP") fma += node.work.fma.real();
  }
  const auto tasks = TasksOf(graph, hardware);
  REQUIRE(tasks.ok());
  const auto schedule = ScheduleTasks(*tasks, hardware);
  REQUIRE(schedule.ok());
  CHECK(schedule->bottleneck == "mlp_engine");
  CHECK(schedule->bounds.work_s == Approx(fma / 1024 / 400e6));
  CHECK(schedule->makespan_s == Approx(schedule->bounds.work_s).epsilon(0.01));
}

}  // namespace
}  // namespace dvren::analysis
