// Before any time is known: which unit runs what in how many parts, what stays on the chip, and in which order. None of
// it looks at the memory's bandwidth.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/schedule/schedule_model.h"

namespace dvren::analysis {

struct SchedulePlan {
  std::int64_t tiles = 1;
  std::vector<TaskPlacement> placements;  // by task
  std::vector<double> busy_s;             // by task: the whole of it, on one instance
  std::vector<double> latency_s;          // by task
  std::vector<bool> streams;              // by edge: part k of the consumer needs part k of the producer alone
  std::vector<bool> on_chip;              // by edge; only what streams
  std::vector<std::uint32_t> order;       // tasks by phase, within it whole ones first, then by rank
  std::optional<double> sram_bytes;
  std::vector<std::string> notes;
};

[[nodiscard]] absl::StatusOr<SchedulePlan> PlanSchedule(const TaskGraph& graph, const Hardware& hardware,
                                                        const ScheduleOptions& options);

}  // namespace dvren::analysis
