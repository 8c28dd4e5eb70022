// What holds of every schedule, on random graphs.
#include "schedule_fixture.h"

namespace dvren::analysis {
namespace {

Hardware RandomHardware(std::mt19937& random) {
  Hardware hardware = TwoUnits();
  for (HardwareUnit& unit : hardware.units) {
    unit.count = 1 + static_cast<std::int64_t>(random() % 4);
    unit.latency_cycles = static_cast<std::int64_t>(random() % 1000);
  }
  hardware.sram[0].size = static_cast<double>(1 + random() % 2000);
  hardware.memory.bandwidth_gbps = 0.1 * static_cast<double>(1 + random() % 100);
  return hardware;
}

TEST_CASE("A schedule is valid, no shorter than any lower bound and no longer than one part after the other") {
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    const Hardware hardware = RandomHardware(random);
    const TaskGraph graph = RandomGraph(random, 1 + random() % 30, random() % 3, random() % 2 == 0);
    const auto schedule = ScheduleTasks(graph, hardware, {.stream = random() % 4 != 0});
    REQUIRE(schedule.ok());
    const absl::Status valid = ValidateSchedule(graph, hardware, *schedule);
    INFO(valid.message());
    REQUIRE(valid.ok());
    const double rounding = 1e-9 * schedule->makespan_s;
    CHECK(schedule->makespan_s >= schedule->bounds.work_s - rounding);
    CHECK(schedule->makespan_s >= *schedule->bounds.bytes_s - rounding);
    CHECK(schedule->makespan_s >= schedule->bounds.critical_path_s - rounding);
    CHECK(schedule->makespan_s <= schedule->sum_of_durations_s + rounding);
  }
}

TEST_CASE("More bandwidth never makes a schedule slower") {
  std::mt19937 random(2);
  for (int i = 0; i < 60; ++i) {
    Hardware hardware = RandomHardware(random);
    const TaskGraph graph = RandomGraph(random, 2 + random() % 30, random() % 3, random() % 2 == 0);
    double before = 0;
    for (double bandwidth = 0.05; bandwidth < 200; bandwidth *= 1.3) {
      hardware.memory.bandwidth_gbps = bandwidth;
      const auto schedule = ScheduleTasks(graph, hardware);
      REQUIRE(schedule.ok());
      if (before > 0) CHECK(schedule->makespan_s <= before);
      before = schedule->makespan_s;
    }
  }
}

TEST_CASE("A faster unit never makes a schedule of the same order slower: twice all rates and bandwidth halve it") {
  std::mt19937 random(3);
  for (int i = 0; i < 40; ++i) {
    Hardware hardware = RandomHardware(random);
    const TaskGraph graph = RandomGraph(random, 2 + random() % 30, random() % 3, random() % 2 == 0);
    const auto slow = ScheduleTasks(graph, hardware);
    hardware.clock_mhz = *hardware.clock_mhz * 2;
    hardware.memory.bandwidth_gbps = *hardware.memory.bandwidth_gbps * 2;
    const auto fast = ScheduleTasks(graph, hardware);
    REQUIRE((slow.ok() && fast.ok()));
    CHECK(fast->makespan_s == Approx(slow->makespan_s / 2).epsilon(1e-12));
  }
}

TEST_CASE("The critical path leads without a gap from the start to the end") {
  std::mt19937 random(4);
  for (int i = 0; i < 60; ++i) {
    const Hardware hardware = RandomHardware(random);
    const TaskGraph graph = RandomGraph(random, 2 + random() % 30, random() % 3, random() % 2 == 0);
    const auto schedule = ScheduleTasks(graph, hardware);
    REQUIRE(schedule.ok());
    const std::vector<std::uint32_t> path = schedule->CriticalPath();
    REQUIRE_FALSE(path.empty());
    CHECK(schedule->entries[path.back()].finish_s == schedule->makespan_s);
    const ScheduleEntry& first = schedule->entries[path.front()];
    CHECK(std::min(first.start_s, first.transfer_start_s) == 0);
    for (std::size_t k = 1; k < path.size(); ++k) CHECK(path[k - 1] < path[k]);
  }
}

}  // namespace
}  // namespace dvren::analysis
