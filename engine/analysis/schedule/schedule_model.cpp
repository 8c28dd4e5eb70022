#include "analysis/schedule/schedule_model.h"

#include <algorithm>

namespace dvren::analysis {
namespace {

std::optional<double> ClockHz(const HardwareUnit& unit, const Hardware& hardware) {
  if (unit.clock_mhz) return *unit.clock_mhz * 1e6;
  if (hardware.clock_mhz) return *hardware.clock_mhz * 1e6;
  return std::nullopt;
}

absl::Status NoClock(const HardwareUnit& unit, const Hardware& hardware) {
  return absl::InvalidArgumentError(absl::StrCat("hardware ", hardware.name, ": units.", unit.name,
                                                 ".clock_mhz: is missing; give it, or clock_mhz of the whole"));
}

std::optional<std::uint32_t> UnitThatLists(const std::string& name, const Hardware& hardware) {
  for (std::size_t i = 0; i < hardware.units.size(); ++i) {
    const std::vector<std::string>& operators = hardware.units[i].operators;
    if (std::find(operators.begin(), operators.end(), name) != operators.end()) return static_cast<std::uint32_t>(i);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<UnitChoice> ChooseUnit(const Task& task, const Hardware& hardware) {
  if (const auto unit = UnitThatLists(task.label, hardware)) return UnitChoice{*unit, true};
  if (const auto unit = UnitThatLists(task.op_type, hardware)) return UnitChoice{*unit, true};
  if (const HardwareUnit* general = hardware.Find(hardware.general_unit); general != nullptr) {
    return UnitChoice{static_cast<std::uint32_t>(general - hardware.units.data()), false};
  }
  return InvalidField(
      "operator", task.op_type,
      absl::StrCat(hardware.name, " has no unit for it and no general_unit; add it to a unit's operators"));
}

absl::StatusOr<double> BusySeconds(const Task& task, const HardwareUnit& unit, const Hardware& hardware,
                                   bool* uncovered) {
  const std::optional<double> clock = ClockHz(unit, hardware);
  if (!clock) return NoClock(unit, hardware);
  double cycles = 0;
  for (std::size_t i = 0; i < kWorkMeasures; ++i) {
    if (unit.rates_per_cycle[i] > 0) cycles += task.work[i] / unit.rates_per_cycle[i];
  }
  *uncovered = cycles == 0;
  if (*uncovered) {
    const auto rate =
        std::find_if(unit.rates_per_cycle.begin(), unit.rates_per_cycle.end(), [](double r) { return r > 0; });
    if (rate == unit.rates_per_cycle.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("hardware ", hardware.name, ": units.", unit.name, ".rates_per_cycle: is missing; give one"));
    }
    const double operations = task.work[static_cast<std::size_t>(WorkMeasure::kOperations)];
    cycles = (operations > 0 ? operations : task.work[static_cast<std::size_t>(WorkMeasure::kOutputs)]) / *rate;
    *uncovered = cycles > 0;
  }
  return cycles / *clock;
}

absl::StatusOr<double> LatencySeconds(const HardwareUnit& unit, const Hardware& hardware) {
  const std::optional<double> clock = ClockHz(unit, hardware);
  if (!clock) return NoClock(unit, hardware);
  return static_cast<double>(unit.latency_cycles.value_or(0)) / *clock;
}

std::optional<double> SramBytes(const Hardware& hardware, std::string* note) {
  if (const std::optional<double> kilobytes = hardware.SramKilobytes()) return *kilobytes * 1024;
  double sum = 0;
  for (const HardwareUnit& unit : hardware.units)
    sum += unit.memory_kb.value_or(0) * static_cast<double>(unit.count) * 1024;
  if (sum == 0) return std::nullopt;
  *note = "sram: no blocks are stated; the units' own memories count as one";
  return sum;
}

bool Streams(const TaskGraph& graph, const TaskEdge& edge, const std::vector<TaskPlacement>& placements) {
  const Task &from = graph.tasks[edge.from], &to = graph.tasks[edge.to];
  return !from.barrier && !to.barrier && from.space == to.space &&
         placements[edge.from].phase == placements[edge.to].phase;
}

std::uint32_t BufferSlots(const TaskEdge& edge, const Hardware& hardware,
                          const std::vector<TaskPlacement>& placements) {
  const std::int64_t instances =
      std::max(hardware.units[placements[edge.from].unit].count, hardware.units[placements[edge.to].unit].count);
  return static_cast<std::uint32_t>(2 * instances);
}

double PartBytes(const Task& task, const TaskPlacement& placement, std::uint32_t part, double edge_bytes) {
  double bytes = (task.read_bytes + task.write_bytes + edge_bytes) / placement.parts;
  if (part == 0 || !placement.parameters_stay) bytes += task.parameter_bytes;
  if (!placement.table_stays) {
    bytes += task.table_traffic_bytes / placement.parts;
  } else if (part == 0) {
    bytes += std::min(task.table_bytes, task.table_traffic_bytes);
  }
  return bytes;
}

std::vector<double> OffChipBytes(const TaskGraph& graph, const std::vector<bool>& on_chip) {
  std::vector<double> bytes(graph.tasks.size(), 0), written(graph.tasks.size(), 0);
  for (std::size_t i = 0; i < graph.edges.size(); ++i) {
    if (on_chip[i]) continue;
    bytes[graph.edges[i].to] += graph.edges[i].bytes;
    // Several consumers read one tensor; it is written once.
    written[graph.edges[i].from] = std::max(written[graph.edges[i].from], graph.edges[i].bytes);
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] += written[i];
  return bytes;
}

double MovedBytes(const TaskGraph& graph, const std::vector<TaskPlacement>& placements,
                  const std::vector<bool>& on_chip) {
  const std::vector<double> edge_bytes = OffChipBytes(graph, on_chip);
  double moved = 0;
  for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
    const TaskPlacement& placement = placements[i];
    moved += PartBytes(graph.tasks[i], placement, 0, edge_bytes[i]);
    if (placement.parts > 1) moved += PartBytes(graph.tasks[i], placement, 1, edge_bytes[i]) * (placement.parts - 1);
  }
  return moved;
}

double SramUse(const TaskGraph& graph, const Hardware& hardware, const std::vector<TaskPlacement>& placements,
               const std::vector<bool>& on_chip) {
  double use = 0;
  for (std::size_t i = 0; i < graph.edges.size(); ++i) {
    if (!on_chip[i]) continue;
    const TaskEdge& edge = graph.edges[i];
    use += edge.bytes / placements[edge.from].parts * BufferSlots(edge, hardware, placements);
  }
  for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
    if (placements[i].parameters_stay) use += graph.tasks[i].parameter_bytes;
    if (placements[i].table_stays) use += graph.tasks[i].table_bytes;
  }
  return use;
}

}  // namespace dvren::analysis
