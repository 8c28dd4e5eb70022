// What programs and reports read of a schedule.
#include "dvren/analysis/schedule_json.h"

#include <nlohmann/json.hpp>

#include "schedule_fixture.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

TEST_CASE("The JSON of a schedule holds its figures, null where nothing is known, and its first entries") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
  graph.edges = {{0, 1, 1000}};
  Hardware hardware = TwoUnits();
  const auto schedule = ScheduleTasks(graph, hardware);
  REQUIRE(schedule.ok());
  const json all = json::parse(ScheduleToJson(graph, hardware, *schedule));
  CHECK(all.at("makespan_s").get<double>() == schedule->makespan_s);
  CHECK(all.at("cycles").get<double>() == Approx(16.5e6));
  CHECK(all.at("area_mm2").is_null());
  CHECK(all.at("bottleneck").at("resource") == "A");
  CHECK(all.at("entries").size() == 32);
  CHECK(all.at("entries_left_out") == 0);
  CHECK(all.at("entries")[0].at("critical") == true);
  CHECK(all.at("energy_j").at("unset").size() == 5);
  double last = 0;
  for (const json& entry : all.at("entries")) {
    CHECK(entry.at("start_s").get<double>() >= last);
    last = entry.at("start_s").get<double>();
  }
  const json some = json::parse(ScheduleToJson(graph, hardware, *schedule, 10));
  CHECK(some.at("entries").size() == 10);
  CHECK(some.at("entries_left_out") == 22);
  hardware.clock_mhz.reset();
  for (HardwareUnit& unit : hardware.units) unit.clock_mhz = 1000;
  CHECK(json::parse(ScheduleToJson(graph, hardware, *schedule)).at("cycles").is_null());
}

TEST_CASE("The JSON of a reference schedule has the names of the reference's files") {
  const std::vector<ReferenceTask> tasks = {{"op_0", "A", 1, 1}, {"op_1", "B", 1, 1}};
  const auto schedule = ReferencePipelineSchedule(tasks, {{0, 1}}, TwoUnits(), ReferenceDuration::kAnalytical);
  REQUIRE(schedule.ok());
  const json value = json::parse(ReferenceScheduleToJson(tasks, *schedule));
  CHECK(value.at("total_cycles") == 1440);  // 800 · 0.9 cycles each
  CHECK(value.at("entries")[1].at("op_id") == "op_1");
  CHECK(value.at("entries")[1].at("hw_unit") == "B");
  CHECK(value.at("entries")[1].at("start_cycle") == 720);
}

}  // namespace
}  // namespace dvren::analysis
