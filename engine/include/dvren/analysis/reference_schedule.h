// The mapping and the schedules of the first implementation of this cost model (RenderSim 55fc63f), reproduced with
// their faults: durations that do not depend on the work, no sharing of memory bandwidth, no balancing over instances.
// They are there to compare with; ScheduleTasks() is what to believe.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "dvren/analysis/hardware.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

struct ReferenceUnit {
  std::string name;  // "npu", or "mlp_units_0" … where a description has several
  std::string kind;
  double throughput = 0;  // operations per second
  std::int64_t latency_cycles = 0;
  double area_um2 = 0, power_uw = 0, memory_kb = 0;
};

// Its two versions walk the units in different orders: Python as the file has them, C++ sorted by name.
enum class ReferenceOrder { kAsWritten, kByName };
[[nodiscard]] std::vector<ReferenceUnit> ReferenceUnits(const Hardware& hardware, ReferenceOrder order);

// The unit of each label ("MLP", "Sorting (B)"), as an index into `units`, which is not empty.
[[nodiscard]] std::vector<std::size_t> ReferenceMapping(const std::vector<std::string>& labels,
                                                        const std::vector<ReferenceUnit>& units);

struct ReferenceTask {
  std::string id;     // ties between priorities go to the greater id
  std::string label;  // pipelines: "MLP (B)"; traces: SAMPLING, ENCODING, FIELD_COMPUTATION or BLENDING
  // Elements of the tensors that go in and out, by which bytes are 4 each.
  std::int64_t inputs = 0;  // activations, and parameters where the label counts them among its inputs
  std::int64_t outputs = 0;
};
// Indices of tasks: producer, consumer. May be cyclic.
using ReferenceEdges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

struct ReferenceEntry {
  std::size_t unit = 0;
  std::int64_t start = 0, duration = 0;  // cycles
};

struct ReferenceSchedule {
  std::vector<ReferenceUnit> units;
  std::vector<ReferenceEntry> entries;  // one a task
  std::int64_t total_cycles = 0;
  double efficiency = 0;  // mean utilisation of the units that are used
  double balance = 0;     // standard deviation of their utilisations
  std::int64_t longest_ready_queue = 0;
};

// How long its pipelines' operators take: "analytical" is a constant of the kind of operator, "dummy" counts elements.
enum class ReferenceDuration { kAnalytical, kDummy };
[[nodiscard]] absl::StatusOr<ReferenceSchedule> ReferencePipelineSchedule(const std::vector<ReferenceTask>& tasks,
                                                                          const ReferenceEdges& edges,
                                                                          const Hardware& hardware,
                                                                          ReferenceDuration duration);

// What its command line makes of a trace: kinds mapped round-robin, constants scaled, and a bound by memory where the
// file states a bandwidth.
struct ReferenceTraceReport {
  ReferenceSchedule schedule;
  double power_uw = 0, area_um2 = 0, sram_area_um2 = 0;
  double clock_mhz = 0, frame_time_s = 0, frames_per_s = 0, energy_j = 0;
  std::int64_t bytes = 0;
  double effective_bandwidth_gbps = 0;
};
[[nodiscard]] absl::StatusOr<ReferenceTraceReport> ReferenceTraceSchedule(const std::vector<ReferenceTask>& tasks,
                                                                          const ReferenceEdges& edges,
                                                                          const Hardware& hardware);

}  // namespace dvren::analysis
