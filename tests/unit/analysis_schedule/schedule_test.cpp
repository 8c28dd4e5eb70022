// Schedules whose length follows from arithmetic.
#include "dvren/analysis/schedule.h"

#include "schedule_fixture.h"

namespace dvren::analysis {
namespace {

TEST_CASE("Two stages that stream take as many tiles of the longer one, and one of the shorter to fill") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
  graph.edges = {{0, 1, 1 << 20}};
  const auto schedule = ScheduleTasks(graph, TwoUnits());
  REQUIRE(schedule.ok());
  CHECK(schedule->tiles == 16);
  CHECK(schedule->makespan_s == Approx(16 * 1e-3 + 0.5e-3));
  CHECK(schedule->bottleneck == "A");
  CHECK(schedule->steady_s_per_tile == Approx(1e-3));
  CHECK(schedule->fill_s == 0);
  CHECK(schedule->drain_s == Approx(0.5e-3));
  CHECK(schedule->moved_bytes == 0);
  CHECK(schedule->sram_used_bytes == Approx(2.0 * (1 << 20) / 16));  // two buffers of a tile
  CHECK(ValidateSchedule(graph, TwoUnits(), *schedule).ok());
}

TEST_CASE("Without streaming the stages follow each other, and the tensor between them goes through memory") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
  graph.edges = {{0, 1, 1e6}};
  const auto schedule = ScheduleTasks(graph, TwoUnits(), {.stream = false});
  REQUIRE(schedule.ok());
  CHECK(schedule->tiles == 1);
  CHECK(schedule->makespan_s == Approx(24e-3));
  CHECK(schedule->moved_bytes == Approx(2e6));
  CHECK(schedule->bounds.critical_path_s == Approx(24e-3));
}

TEST_CASE("Independent tasks that only move bytes take the sum of their bytes by the bandwidth they share") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 0.001), TaskOn("B", 0.001)};
  graph.tasks[0].read_bytes = 3e6;
  graph.tasks[1].write_bytes = 5e6;
  const auto schedule = ScheduleTasks(graph, TwoUnits());
  REQUIRE(schedule.ok());
  CHECK(schedule->makespan_s == Approx(8e-3));
  CHECK(schedule->bottleneck == "memory");
  CHECK(*schedule->bounds.bytes_s == Approx(8e-3));
}

TEST_CASE("Instances of a unit share the tiles of a task") {
  Hardware hardware = TwoUnits();
  hardware.units[0].count = 4;
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 1)};
  graph.edges = {{0, 1, 1000}};
  const auto schedule = ScheduleTasks(graph, hardware);
  REQUIRE(schedule.ok());
  // Four tiles of 1 ms at a time; the last four reach B together, 1/16 ms each.
  CHECK(schedule->makespan_s == Approx(4e-3 + 4 * 1e-3 / 16));
  CHECK(ValidateSchedule(graph, hardware, *schedule).ok());
}

TEST_CASE("Latency is paid once on the way through a pipeline, not for every tile") {
  Hardware hardware = TwoUnits();
  hardware.units[0].latency_cycles = 250'000;  // 0.25 ms
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
  graph.edges = {{0, 1, 1000}};
  const auto schedule = ScheduleTasks(graph, hardware);
  REQUIRE(schedule.ok());
  CHECK(schedule->makespan_s == Approx(16e-3 + 0.25e-3 + 0.5e-3));
}

TEST_CASE("A task with a barrier waits for every tile before it") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
  graph.tasks[1].barrier = true;
  graph.edges = {{0, 1, 0}};
  const auto schedule = ScheduleTasks(graph, TwoUnits());
  REQUIRE(schedule.ok());
  CHECK(schedule->makespan_s == Approx(24e-3));
  CHECK(ValidateSchedule(graph, TwoUnits(), *schedule).ok());
}

TEST_CASE("Tasks over different spaces follow each other whole") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
  graph.tasks[0].space = "65536";
  graph.tasks[1].space = "4096x64";
  graph.edges = {{0, 1, 0}};
  const auto schedule = ScheduleTasks(graph, TwoUnits());
  REQUIRE(schedule.ok());
  CHECK(schedule->makespan_s == Approx(24e-3));
}

TEST_CASE("Weights that stay on the chip are read once, those that do not are read for every tile") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
  graph.tasks[0].parameter_bytes = 400'000;
  graph.edges = {{0, 1, 1000}};
  Hardware hardware = TwoUnits();
  const auto stays = ScheduleTasks(graph, hardware);
  REQUIRE(stays.ok());
  CHECK(stays->moved_bytes == Approx(4e5));
  CHECK(stays->spilled_bytes == 0);
  hardware.sram[0].size = 100;
  const auto spills = ScheduleTasks(graph, hardware);
  REQUIRE(spills.ok());
  CHECK(spills->moved_bytes == Approx(16 * 4e5));
  CHECK(spills->spilled_bytes == Approx(15 * 4e5));
  CHECK(ValidateSchedule(graph, hardware, *spills).ok());
}

TEST_CASE("A table that stays is loaded once, one that does not costs every access") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
  graph.tasks[0].table_bytes = 100'000;
  graph.tasks[0].table_traffic_bytes = 5e6;
  graph.edges = {{0, 1, 1000}};
  Hardware hardware = TwoUnits();
  CHECK(ScheduleTasks(graph, hardware)->moved_bytes == Approx(1e5));
  hardware.sram[0].size = 100;
  CHECK(ScheduleTasks(graph, hardware)->moved_bytes == Approx(5e6));
}

TEST_CASE("Tensors that fit in no number of tiles are written to memory and read again") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 1), TaskOn("B", 1)};
  graph.edges = {{0, 1, 1e6}};
  Hardware hardware = TwoUnits();
  hardware.sram[0].size = 1;
  const auto schedule = ScheduleTasks(graph, hardware, {.most_tiles = 64});
  REQUIRE(schedule.ok());
  CHECK(schedule->spilled_bytes == Approx(2e6));
  CHECK(schedule->moved_bytes == Approx(2e6));
  REQUIRE(schedule->notes.size() == 1);
  CHECK(schedule->notes[0] == "sram: 1 tensors do not fit in 16 tiles and go through memory");
}

TEST_CASE("Energy is power for the busy time or energy per operation, and what has no figure is named") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 10), TaskOn("B", 10)};
  Hardware hardware = TwoUnits();
  hardware.units[0].power_uw = 5000;  // 5 mW for 10 ms
  hardware.units[1].energy_pj = 3;    // for 10⁷ operations
  hardware.units[1].static_power_uw = 1000;
  const auto schedule = ScheduleTasks(graph, hardware);
  REQUIRE(schedule.ok());
  CHECK(schedule->energy.units_j == Approx(50e-6 + 30e-6));
  CHECK(schedule->energy.static_j == Approx(10e-6));
  CHECK(schedule->energy.unset == std::vector<std::string>{"units.A.static_power_uw", "memory.energy_pj_per_byte"});
  CHECK_FALSE(schedule->area_mm2.has_value());
  CHECK(schedule->unset == std::vector<std::string>{"units.A.area_um2", "units.B.area_um2"});
}

TEST_CASE("A bandwidth that is not stated costs no time, and the result says that it is not") {
  TaskGraph graph;
  graph.tasks = {TaskOn("A", 2)};
  graph.tasks[0].read_bytes = 1e12;
  Hardware hardware = TwoUnits();
  hardware.memory.bandwidth_gbps.reset();
  const auto schedule = ScheduleTasks(graph, hardware);
  REQUIRE(schedule.ok());
  CHECK(schedule->makespan_s == Approx(2e-3));
  CHECK_FALSE(schedule->bounds.bytes_s.has_value());
  CHECK(schedule->unset.front() == "memory.bandwidth_gbps");
}

TEST_CASE("An operator that no unit lists runs on the general unit, visibly, or is refused") {
  TaskGraph graph;
  graph.tasks = {TaskOn("Sorting", 2)};
  Hardware hardware = TwoUnits();
  const auto refused = ScheduleTasks(graph, hardware);
  CHECK(refused.status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(refused.status().message() ==
        "operator = Sorting: two units has no unit for it and no general_unit; add it to a unit's operators");
  hardware.general_unit = hardware.units[1].name;
  const auto schedule = ScheduleTasks(graph, hardware);
  REQUIRE(schedule.ok());
  REQUIRE(schedule->notes.size() == 1);
  CHECK(schedule->notes[0] == "Sorting runs on B, the general unit");
}

TEST_CASE("Graphs that cannot be scheduled are refused by name") {
  TaskGraph graph;
  CHECK(ScheduleTasks(graph, TwoUnits()).status().message() == "graph: has no task; give one");
  graph.tasks = {TaskOn("A", 1), TaskOn("B", 1)};
  graph.edges = {{0, 1, 1}, {1, 0, 1}};
  CHECK(ScheduleTasks(graph, TwoUnits()).status().message() ==
        "graph: task = A: lies on or behind a cycle; a schedule needs an acyclic graph");
  graph.edges = {{0, 2, 1}};
  CHECK(ScheduleTasks(graph, TwoUnits()).status().message() == "edge = 0 -> 2: must join two different of the 2 tasks");
  graph.edges.clear();
  graph.tasks[1].read_bytes = -1;
  CHECK(ScheduleTasks(graph, TwoUnits()).status().message() ==
        "task B: read_bytes = -1: must be finite and not below 0");
}

}  // namespace
}  // namespace dvren::analysis
