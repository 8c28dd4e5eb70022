// The validator refuses each way in which a schedule can be wrong.
#include "schedule_fixture.h"

namespace dvren::analysis {
namespace {

struct Case {
  Hardware hardware = TwoUnits();
  TaskGraph graph;
  Schedule schedule;

  Case() {
    graph.tasks = {TaskOn("A", 16), TaskOn("B", 8)};
    graph.tasks[0].read_bytes = 1e6;
    graph.tasks[1].write_bytes = 1e6;
    graph.edges = {{0, 1, 1e5}};
    schedule = *ScheduleTasks(graph, hardware);
    REQUIRE(Verdict().empty());
  }
  [[nodiscard]] std::string Verdict() const {
    const absl::Status status = ValidateSchedule(graph, hardware, schedule);
    return std::string(status.message());
  }
  [[nodiscard]] bool Says(const std::string& what) const {
    INFO(Verdict());
    return Verdict().find(what) != std::string::npos;
  }
};

TEST_CASE("A schedule that misses a part, or has one twice, is refused") {
  Case missing;
  missing.schedule.entries.pop_back();
  CHECK(missing.Says("1 of 32 parts are missing"));
  Case twice;
  twice.schedule.entries.back() = twice.schedule.entries.front();
  CHECK(twice.Says("A part 0 is there twice"));
}

TEST_CASE("A part that starts before its input is refused") {
  Case c;
  for (ScheduleEntry& entry : c.schedule.entries) {
    if (entry.task == 1 && entry.part == 0) entry.start_s = entry.transfer_start_s = 0;
  }
  CHECK(c.Says("before its input of A is there"));
}

TEST_CASE("A part that is shorter than its work, or than its transfer, is refused") {
  Case work;
  work.schedule.entries[0].busy_until_s /= 2;
  CHECK(work.Says("A part 0 is busy for"));
  Case transfer;
  for (ScheduleEntry& entry : transfer.schedule.entries) {
    if (entry.bytes > 0) entry.transfer_until_s = entry.transfer_start_s;
  }
  CHECK(transfer.Says("the memory needs"));
}

TEST_CASE("Two parts on one instance at once are refused") {
  Case c;
  for (ScheduleEntry& entry : c.schedule.entries) {
    if (entry.task == 0 && entry.part == 3) entry.start_s -= 0.3e-3;
  }
  CHECK(c.Says("on an instance of A that"));
}

TEST_CASE("Two transfers at once are refused") {
  Case c;
  ScheduleEntry* first = nullptr;
  for (ScheduleEntry& entry : c.schedule.entries) {
    if (entry.task != 0) continue;
    if (first != nullptr) {
      const double shift = entry.transfer_start_s - first->transfer_start_s;
      entry.transfer_start_s -= shift;
      entry.transfer_until_s -= shift;
      break;
    }
    first = &entry;
  }
  CHECK(c.Says("use the memory at once"));
}

TEST_CASE("A plan that keeps more on the chip than there is room for is refused") {
  Case c;
  c.schedule.sram_bytes = 1000;
  CHECK(c.Says("bytes in an SRAM of 1000"));
}

TEST_CASE("A part on an instance, or a task on a unit, that is not there is refused") {
  Case instance;
  instance.schedule.entries[0].instance = 1;
  CHECK(instance.Says("is on instance 1 of 1 of A"));
  Case unit;
  unit.schedule.placements[0].unit = 1;
  CHECK(unit.Says("A is on B, which does not run it"));
}

TEST_CASE("A makespan that is not that of its parts is refused") {
  Case c;
  c.schedule.makespan_s *= 0.5;
  CHECK(c.Says("its last part does at"));
}

}  // namespace
}  // namespace dvren::analysis
