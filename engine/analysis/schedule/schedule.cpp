#include "dvren/analysis/schedule.h"

#include <algorithm>
#include <map>

#include "analysis/schedule/list_order.h"
#include "analysis/schedule/task_adjacency.h"

namespace dvren::analysis {
namespace {

// A moment and the entry that made it.
struct Moment {
  double at_s = 0;
  std::uint32_t entry = kNone;

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  void Later(const Moment& other) {
    if (other.at_s > at_s) *this = other;
  }
};

class Scheduler {
 public:
  Scheduler(const TaskGraph& graph, const Hardware& hardware, SchedulePlan plan)
      : graph_(graph),
        hardware_(hardware),
        plan_(std::move(plan)),
        into_(graph, &TaskEdge::to),
        out_of_(graph, &TaskEdge::from),
        edge_bytes_(OffChipBytes(graph, plan_.on_chip)) {
    if (hardware.memory.bandwidth_gbps) seconds_per_byte_ = 1 / (*hardware.memory.bandwidth_gbps * 1e9);
  }

  Schedule Run() {
    std::size_t parts = 0;
    first_part_.resize(graph_.tasks.size());
    for (std::size_t i = 0; i < graph_.tasks.size(); ++i) {
      first_part_[i] = parts;
      parts += plan_.placements[i].parts;
    }
    entry_of_.resize(parts);
    whole_.resize(graph_.tasks.size());
    for (const HardwareUnit& unit : hardware_.units) free_.emplace_back(unit.count);
    schedule_.entries.reserve(parts);
    for (const PlacedPart& part : ListOrder(graph_, hardware_, plan_)) Place(part);
    Summarise();
    return std::move(schedule_);
  }

 private:
  [[nodiscard]] Moment EndOf(std::uint32_t task, std::uint32_t part) const {
    const std::uint32_t entry = entry_of_[first_part_[task] + part];
    return {schedule_.entries[entry].finish_s, entry};
  }

  // When the inputs of a part are there, and room for its outputs.
  [[nodiscard]] Moment Ready(std::uint32_t task, std::uint32_t part) const {
    Moment ready;
    for (const std::uint32_t edge : into_.of(task)) {
      const std::uint32_t from = graph_.edges[edge].from;
      ready.Later(plan_.streams[edge] ? EndOf(from, part) : whole_[from]);
    }
    for (const std::uint32_t edge : out_of_.of(task)) {
      if (!plan_.on_chip[edge]) continue;
      const std::uint32_t slots = BufferSlots(graph_.edges[edge], hardware_, plan_.placements);
      if (part >= slots) ready.Later(EndOf(graph_.edges[edge].to, part - slots));
    }
    return ready;
  }

  void Place(const PlacedPart& placed) {
    const auto [task, part, instance] = placed;
    const TaskPlacement& placement = plan_.placements[task];
    const auto index = static_cast<std::uint32_t>(schedule_.entries.size());
    ScheduleEntry entry;
    entry.task = task;
    entry.part = part;
    entry.instance = instance;
    entry.bytes = PartBytes(graph_.tasks[task], placement, part, edge_bytes_[task]);
    const double busy = plan_.busy_s[task] / placement.parts;
    const double transfer = entry.bytes * seconds_per_byte_;
    const Moment ready = Ready(task, part);
    Moment on_unit = ready, on_memory = ready;
    on_unit.Later(free_[placement.unit][entry.instance]);
    if (transfer > 0) on_memory.Later(memory_free_);
    entry.start_s = on_unit.at_s;
    entry.transfer_start_s = on_memory.at_s;
    entry.transfer_until_s = on_memory.at_s + transfer;
    entry.busy_until_s = std::max(entry.start_s + busy, entry.transfer_until_s);
    entry.finish_s = entry.busy_until_s + plan_.latency_s[task];
    const Moment& cause = entry.transfer_until_s > entry.start_s + busy ? on_memory : on_unit;
    entry.cause = cause.entry == Moment::kNone ? index : cause.entry;
    free_[placement.unit][entry.instance] = {entry.busy_until_s, index};
    if (transfer > 0) memory_free_ = {entry.transfer_until_s, index};
    entry_of_[first_part_[task] + part] = index;
    whole_[task].Later({entry.finish_s, index});
    schedule_.sum_of_durations_s += std::max(busy, transfer) + plan_.latency_s[task];
    schedule_.makespan_s = std::max(schedule_.makespan_s, entry.finish_s);
    schedule_.moved_bytes += entry.bytes;
    schedule_.entries.push_back(entry);
  }

  void Summarise() {
    schedule_.tiles = plan_.tiles;
    schedule_.placements = plan_.placements;
    schedule_.on_chip = plan_.on_chip;
    schedule_.sram_bytes = plan_.sram_bytes;
    schedule_.sram_used_bytes = SramUse(graph_, hardware_, plan_.placements, plan_.on_chip);
    schedule_.notes = plan_.notes;
    if (!hardware_.memory.bandwidth_gbps) schedule_.unset.emplace_back("memory.bandwidth_gbps");
    if (!plan_.sram_bytes) schedule_.unset.emplace_back("sram");
    CountSpills();
    Loads();
    Bounds();
    Bottleneck();
    Energy();
    schedule_.area_mm2 = hardware_.AreaMm2(&schedule_.unset);
  }

  // Against the same parts with all that could stay on the chip there.
  void CountSpills() {
    std::vector<TaskPlacement> stays = plan_.placements;
    for (TaskPlacement& placement : stays) placement.parameters_stay = placement.table_stays = true;
    schedule_.spilled_bytes = std::max(0.0, schedule_.moved_bytes - MovedBytes(graph_, stays, plan_.streams));
  }

  void Loads() {
    std::map<std::uint32_t, UnitLoad> loads;
    for (std::size_t i = 0; i < graph_.tasks.size(); ++i) {
      UnitLoad& load = loads[plan_.placements[i].unit];
      load.unit = plan_.placements[i].unit;
      ++load.tasks;
      load.busy_s += plan_.busy_s[i];
    }
    for (auto& [unit, load] : loads) {
      if (schedule_.makespan_s > 0) {
        load.utilisation = load.busy_s / static_cast<double>(hardware_.units[unit].count) / schedule_.makespan_s;
      }
      schedule_.loads.push_back(load);
    }
  }

  void Bounds() {
    LowerBounds& bounds = schedule_.bounds;
    for (const UnitLoad& load : schedule_.loads) {
      const double work = load.busy_s / static_cast<double>(hardware_.units[load.unit].count);
      if (work < bounds.work_s) continue;
      bounds.work_s = work;
      bounds.work_unit = hardware_.units[load.unit].name;
    }
    if (seconds_per_byte_ > 0) bounds.bytes_s = schedule_.moved_bytes * seconds_per_byte_;
    // Along any path, the first parts alone.
    std::vector<double> ends(graph_.tasks.size(), 0);
    for (const std::uint32_t task : plan_.order) {
      double begin = 0;
      for (const std::uint32_t edge : into_.of(task)) begin = std::max(begin, ends[graph_.edges[edge].from]);
      const double transfer =
          PartBytes(graph_.tasks[task], plan_.placements[task], 0, edge_bytes_[task]) * seconds_per_byte_;
      ends[task] =
          begin + std::max(plan_.busy_s[task] / plan_.placements[task].parts, transfer) + plan_.latency_s[task];
      bounds.critical_path_s = std::max(bounds.critical_path_s, ends[task]);
    }
  }

  void Bottleneck() {
    const LowerBounds& bounds = schedule_.bounds;
    const bool memory = bounds.bytes_s && *bounds.bytes_s > bounds.work_s;
    schedule_.bottleneck = memory ? "memory" : bounds.work_unit;
    schedule_.steady_s_per_tile = (memory ? *bounds.bytes_s : bounds.work_s) / static_cast<double>(plan_.tiles);
    double first = schedule_.makespan_s, last = 0;
    for (const ScheduleEntry& entry : schedule_.entries) {
      if (memory) {
        if (entry.transfer_until_s == entry.transfer_start_s) continue;
        first = std::min(first, entry.transfer_start_s);
        last = std::max(last, entry.transfer_until_s);
      } else if (hardware_.units[plan_.placements[entry.task].unit].name == bounds.work_unit) {
        first = std::min(first, entry.start_s);
        last = std::max(last, entry.busy_until_s);
      }
    }
    schedule_.fill_s = first;
    schedule_.drain_s = schedule_.makespan_s - last;
  }

  void Energy() {
    EnergyReport& energy = schedule_.energy;
    std::vector<double> work(hardware_.units.size(), 0);  // by the unit's first rate
    for (std::size_t i = 0; i < graph_.tasks.size(); ++i) {
      const HardwareUnit& unit = hardware_.units[plan_.placements[i].unit];
      const auto rate =
          std::find_if(unit.rates_per_cycle.begin(), unit.rates_per_cycle.end(), [](double r) { return r > 0; });
      work[plan_.placements[i].unit] +=
          graph_.tasks[i].work[static_cast<std::size_t>(rate - unit.rates_per_cycle.begin())];
    }
    for (const UnitLoad& load : schedule_.loads) {
      const HardwareUnit& unit = hardware_.units[load.unit];
      const double instances = hardware_.figures_are_totals ? static_cast<double>(unit.count) : 1.0;
      if (unit.energy_pj) {
        energy.units_j += *unit.energy_pj * 1e-12 * work[load.unit];
      } else if (unit.power_uw) {
        energy.units_j += *unit.power_uw * 1e-6 / instances * load.busy_s;
      } else {
        energy.unset.push_back(absl::StrCat("units.", unit.name, ".energy_pj"));
      }
    }
    for (const HardwareUnit& unit : hardware_.units) {
      if (!unit.static_power_uw) {
        energy.unset.push_back(absl::StrCat("units.", unit.name, ".static_power_uw"));
        continue;
      }
      const double instances = hardware_.figures_are_totals ? 1.0 : static_cast<double>(unit.count);
      energy.static_j += *unit.static_power_uw * 1e-6 * instances * schedule_.makespan_s;
    }
    if (hardware_.memory.energy_pj_per_byte) {
      energy.memory_j = *hardware_.memory.energy_pj_per_byte * 1e-12 * schedule_.moved_bytes;
    } else {
      energy.unset.emplace_back("memory.energy_pj_per_byte");
    }
  }

  const TaskGraph& graph_;
  const Hardware& hardware_;
  const SchedulePlan plan_;
  const TaskAdjacency into_, out_of_;
  const std::vector<double> edge_bytes_;  // by task, off the chip
  double seconds_per_byte_ = 0;           // 0: no bandwidth is stated, and memory costs no time
  Schedule schedule_;
  std::vector<std::size_t> first_part_;  // by task, into entry_of_
  std::vector<std::uint32_t> entry_of_;
  std::vector<Moment> whole_;              // by task: when its last part is done
  std::vector<std::vector<Moment>> free_;  // by unit and instance
  Moment memory_free_;
};

}  // namespace

double LowerBounds::best_s() const {
  return std::max({work_s, bytes_s.value_or(0), critical_path_s});
}

std::vector<std::uint32_t> Schedule::CriticalPath() const {
  std::vector<std::uint32_t> path;
  if (entries.empty()) return path;
  std::uint32_t at = 0;
  for (std::uint32_t i = 1; i < entries.size(); ++i) {
    if (entries[i].finish_s > entries[at].finish_s) at = i;
  }
  path.push_back(at);
  while (entries[at].cause != at) {
    at = entries[at].cause;
    path.push_back(at);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

absl::StatusOr<Schedule> ScheduleTasks(const TaskGraph& graph, const Hardware& hardware,
                                       const ScheduleOptions& options) {
  DVREN_ASSIGN_OR_RETURN(SchedulePlan plan, PlanSchedule(graph, hardware, options));
  return Scheduler(graph, hardware, std::move(plan)).Run();
}

}  // namespace dvren::analysis
