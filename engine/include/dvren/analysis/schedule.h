// A schedule of tasks on an accelerator: a resource-constrained list schedule whose units share one memory, in which a
// chain of tasks streams in tiles through double buffers on the chip.
//
// The graph's streamable tasks run in `tiles` equal parts; part k of a task needs part k of its producers. An edge on
// the chip has 2·max(instances of its ends) buffers, so that a producer may be that far ahead. Tasks with a barrier run
// in as many parts as their unit has instances. A part takes
//   busy   = Σ over measures (work / rate / clock) / parts     on an instance of its unit
//   memory = bytes / bandwidth                                on the memory, which serves one part at a time, at full
//   rate
// both begin when its inputs are there and their resource is free, overlap, and the part is done `latency` after the
// later. Order and placement depend on the graph, the rates and the SRAM, not on the bandwidth: every time is then a
// maximum of sums of durations that fall as the bandwidth grows, so that more of it never makes a schedule slower (no
// anomaly of list scheduling, R. L. Graham 1969).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dvren/analysis/hardware.h"
#include "dvren/analysis/task_graph.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

struct ScheduleOptions {
  bool stream = true;  // false: every task whole
  std::int64_t most_tiles = 1024;
};

// One part of a task. Seconds from the start.
struct ScheduleEntry {
  std::uint32_t task = 0;
  std::uint32_t part = 0;
  std::uint32_t instance = 0;  // of the task's unit
  std::uint32_t cause = 0;     // the entry whose end let this one begin or end when it did; itself where none did
  double start_s = 0, busy_until_s = 0;               // on the unit
  double transfer_start_s = 0, transfer_until_s = 0;  // on the memory; equal where nothing is moved
  double finish_s = 0;
  double bytes = 0;
};

struct TaskPlacement {
  std::uint32_t unit = 0;  // place in Hardware::units
  std::uint32_t parts = 1;
  std::uint32_t phase = 0;       // parts of a streamed task follow those of its producers of the same phase one by one
  bool parameters_stay = false;  // weights on the chip from the first tile on
  bool table_stays = false;
};

// Bounds that no schedule of these parts can beat.
struct LowerBounds {
  double work_s = 0;  // busy time of the most loaded unit / its instances
  std::string work_unit;
  std::optional<double> bytes_s;  // all bytes / bandwidth
  double critical_path_s = 0;     // longest chain of first parts
  [[nodiscard]] double best_s() const;
};

struct UnitLoad {
  std::uint32_t unit = 0;
  std::int64_t tasks = 0;
  double busy_s = 0;       // of all its instances together
  double utilisation = 0;  // of the makespan
};

struct EnergyReport {
  double units_j = 0;   // activity · energy of a unit of work, or power while busy
  double memory_j = 0;  // bytes · energy of a byte
  double static_j = 0;  // static power · makespan
  // What no figure was there for, so that the sum leaves it out.
  std::vector<std::string> unset;
  [[nodiscard]] double total_j() const { return units_j + memory_j + static_j; }
};

struct Schedule {
  std::int64_t tiles = 1;
  std::vector<TaskPlacement> placements;  // by task
  std::vector<bool> on_chip;              // by edge: else its tensor is written to memory and read again
  std::vector<ScheduleEntry> entries;     // in the order of placement
  double makespan_s = 0;
  double sum_of_durations_s = 0;  // of all parts, one after the other
  LowerBounds bounds;
  // The most loaded resource: what a tile costs it, when it first works, and what is left when it has last worked.
  std::string bottleneck;  // a unit's name, or "memory"
  double steady_s_per_tile = 0, fill_s = 0, drain_s = 0;
  double moved_bytes = 0;
  double spilled_bytes = 0;  // of these, what a larger SRAM would keep on the chip
  double sram_used_bytes = 0;
  std::optional<double> sram_bytes;
  std::vector<UnitLoad> loads;  // of the units that are used
  EnergyReport energy;
  std::optional<double> area_mm2;
  std::vector<std::string> notes;  // fallbacks and what was read how
  std::vector<std::string> unset;  // fields of the hardware that would have changed the result

  [[nodiscard]] std::vector<std::uint32_t> CriticalPath() const;  // places in entries, first to last
};

// INVALID_ARGUMENT: a cyclic or empty graph, an operator that no unit runs, a unit without rate or clock.
[[nodiscard]] absl::StatusOr<Schedule> ScheduleTasks(const TaskGraph& graph, const Hardware& hardware,
                                                     const ScheduleOptions& options = {});

// Whether the schedule does what its graph and hardware ask: every part once, on an instance that is free and for as
// long as it needs, after its inputs, within the buffers, the memory's rate and the SRAM. INTERNAL names the first
// thing that is not so.
[[nodiscard]] absl::Status ValidateSchedule(const TaskGraph& graph, const Hardware& hardware, const Schedule& schedule);

}  // namespace dvren::analysis
