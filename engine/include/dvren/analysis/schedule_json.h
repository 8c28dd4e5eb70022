// Schedules as JSON, for programs and reports.
#pragma once

#include <cstddef>
#include <string>

#include "dvren/analysis/reference_schedule.h"
#include "dvren/analysis/schedule.h"

namespace dvren::analysis {

// Of a corrected schedule: hardware, tiles, makespan_s (and cycles, where the hardware states a clock),
// sum_of_durations_s, bounds, bottleneck {resource, steady_s_per_tile, fill_s, drain_s}, bytes {moved, spilled},
// sram_bytes {used, capacity}, units[] {unit, instances, tasks, busy_s, utilisation}, energy_j {units, memory, static,
// total, unset}, area_mm2, notes, unset, tasks[] {task, unit, parts}, entries[] {task, part, unit, instance, start_s,
// busy_until_s, finish_s, bytes, critical}, the first `most_entries` of them by their place in time, and
// entries_left_out. What is not known is null. UTF-8, two-space indents.
[[nodiscard]] std::string ScheduleToJson(const TaskGraph& graph, const Hardware& hardware, const Schedule& schedule,
                                         std::size_t most_entries = 1000);

// Of a reference schedule, in the names of its own files: total_cycles, entries[] {op_id, hw_unit, start_cycle,
// duration}, scheduling_efficiency, resource_balance_factor, ready_queue_peak_size.
[[nodiscard]] std::string ReferenceScheduleToJson(const std::vector<ReferenceTask>& tasks,
                                                  const ReferenceSchedule& schedule);

}  // namespace dvren::analysis
