// What the scheduler and the validator agree on: how long parts take and what they move.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dvren/analysis/schedule.h"

namespace dvren::analysis {

// The unit of a task: the first that lists its label, then its op_type, then the general one. `listed`: not the last of
// these.
struct UnitChoice {
  std::uint32_t unit = 0;
  bool listed = true;
};
[[nodiscard]] absl::StatusOr<UnitChoice> ChooseUnit(const Task& task, const Hardware& hardware);

// Seconds that the whole task keeps one instance busy. `uncovered` tells that the unit rates none of its work, so that
// its first rate was applied to all operations (or outputs, where there are none).
[[nodiscard]] absl::StatusOr<double> BusySeconds(const Task& task, const HardwareUnit& unit, const Hardware& hardware,
                                                 bool* uncovered);
[[nodiscard]] absl::StatusOr<double> LatencySeconds(const HardwareUnit& unit, const Hardware& hardware);

// The SRAM: stated blocks, else the units' own memories, else unset.
[[nodiscard]] std::optional<double> SramBytes(const Hardware& hardware, std::string* note);

// Whether part k of the edge's consumer needs part k of its producer alone.
[[nodiscard]] bool Streams(const TaskGraph& graph, const TaskEdge& edge, const std::vector<TaskPlacement>& placements);

// Buffers of an edge on the chip, in parts.
[[nodiscard]] std::uint32_t BufferSlots(const TaskEdge& edge, const Hardware& hardware,
                                        const std::vector<TaskPlacement>& placements);

// Bytes that part `part` of `task` moves to and from memory. `edge_bytes`: of its edges off the chip.
[[nodiscard]] double PartBytes(const Task& task, const TaskPlacement& placement, std::uint32_t part, double edge_bytes);

// Bytes of the tensors of each task that are not on the chip, read and written.
[[nodiscard]] std::vector<double> OffChipBytes(const TaskGraph& graph, const std::vector<bool>& on_chip);

// Bytes that all parts of all tasks move.
[[nodiscard]] double MovedBytes(const TaskGraph& graph, const std::vector<TaskPlacement>& placements,
                                const std::vector<bool>& on_chip);

// Bytes of the SRAM that the plan takes: buffers, weights and tables that stay.
[[nodiscard]] double SramUse(const TaskGraph& graph, const Hardware& hardware,
                             const std::vector<TaskPlacement>& placements, const std::vector<bool>& on_chip);

}  // namespace dvren::analysis
