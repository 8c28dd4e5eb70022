#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/str_format.h"
#include "analysis/schedule/schedule_model.h"

namespace dvren::analysis {
namespace {

constexpr double kRounding = 1e-9;  // of the makespan: what sums of durations may differ by

class Validator {
 public:
  Validator(const TaskGraph& graph, const Hardware& hardware, const Schedule& schedule)
      : graph_(graph), hardware_(hardware), schedule_(schedule), slack_s_(kRounding * schedule.makespan_s) {}

  absl::Status Run() {
    DVREN_RETURN_IF_ERROR(graph_.Check());
    DVREN_RETURN_IF_ERROR(CheckPlacements());
    DVREN_RETURN_IF_ERROR(FindParts());
    DVREN_RETURN_IF_ERROR(CheckDurations());
    DVREN_RETURN_IF_ERROR(CheckInputs());
    DVREN_RETURN_IF_ERROR(CheckInstances());
    DVREN_RETURN_IF_ERROR(CheckMemory());
    return CheckTotals();
  }

 private:
  template <class... Args>
  [[nodiscard]] absl::Status Broken(const absl::FormatSpec<Args...>& format, const Args&... args) const {
    return absl::InternalError(absl::StrCat("schedule: ", absl::StrFormat(format, args...)));
  }
  [[nodiscard]] std::string Name(const ScheduleEntry& entry) const {
    return absl::StrCat(graph_.tasks[entry.task].name, " part ", entry.part);
  }
  [[nodiscard]] const ScheduleEntry& Part(std::uint32_t task, std::uint32_t part) const {
    return schedule_.entries[entry_of_[first_part_[task] + part]];
  }
  [[nodiscard]] bool ByParts(const TaskEdge& edge) const {
    return schedule_.tiles > 1 && Streams(graph_, edge, schedule_.placements);
  }

  absl::Status CheckPlacements() const {
    if (schedule_.placements.size() != graph_.tasks.size() || schedule_.on_chip.size() != graph_.edges.size()) {
      return Broken("places %d of %d tasks and %d of %d edges", schedule_.placements.size(), graph_.tasks.size(),
                    schedule_.on_chip.size(), graph_.edges.size());
    }
    for (std::size_t i = 0; i < graph_.tasks.size(); ++i) {
      const TaskPlacement& placement = schedule_.placements[i];
      if (placement.unit >= hardware_.units.size())
        return Broken("%s is on unit %d, which is not there", graph_.tasks[i].name, placement.unit);
      if (placement.parts == 0) return Broken("%s has no parts", graph_.tasks[i].name);
      DVREN_ASSIGN_OR_RETURN(const UnitChoice choice, ChooseUnit(graph_.tasks[i], hardware_));
      if (choice.unit != placement.unit) {
        return Broken("%s is on %s, which does not run it", graph_.tasks[i].name, hardware_.units[placement.unit].name);
      }
    }
    for (std::size_t i = 0; i < graph_.edges.size(); ++i) {
      if (schedule_.on_chip[i] && !ByParts(graph_.edges[i])) {
        return Broken("the tensor %s -> %s stays on the chip whole", graph_.tasks[graph_.edges[i].from].name,
                      graph_.tasks[graph_.edges[i].to].name);
      }
    }
    return absl::OkStatus();
  }

  absl::Status FindParts() {
    constexpr std::uint32_t kNone = ~std::uint32_t{0};
    std::size_t parts = 0;
    for (const TaskPlacement& placement : schedule_.placements) {
      first_part_.push_back(parts);
      parts += placement.parts;
    }
    entry_of_.assign(parts, kNone);
    for (std::size_t i = 0; i < schedule_.entries.size(); ++i) {
      const ScheduleEntry& entry = schedule_.entries[i];
      if (entry.task >= graph_.tasks.size()) return Broken("entry %d is of task %d, which is not there", i, entry.task);
      if (entry.part >= schedule_.placements[entry.task].parts) return Broken("%s is one part too many", Name(entry));
      std::uint32_t& place = entry_of_[first_part_[entry.task] + entry.part];
      if (place != kNone) return Broken("%s is there twice", Name(entry));
      place = static_cast<std::uint32_t>(i);
    }
    if (schedule_.entries.size() != parts)
      return Broken("%d of %d parts are missing", parts - schedule_.entries.size(), parts);
    return absl::OkStatus();
  }

  absl::Status CheckDurations() const {
    const std::vector<double> edge_bytes = OffChipBytes(graph_, schedule_.on_chip);
    for (const ScheduleEntry& entry : schedule_.entries) {
      const TaskPlacement& placement = schedule_.placements[entry.task];
      const HardwareUnit& unit = hardware_.units[placement.unit];
      if (entry.instance >= unit.count)
        return Broken("%s is on instance %d of %d of %s", Name(entry), entry.instance, unit.count, unit.name);
      bool uncovered = false;
      DVREN_ASSIGN_OR_RETURN(const double busy, BusySeconds(graph_.tasks[entry.task], unit, hardware_, &uncovered));
      DVREN_ASSIGN_OR_RETURN(const double latency, LatencySeconds(unit, hardware_));
      if (!(entry.start_s >= 0)) return Broken("%s starts at %g s", Name(entry), entry.start_s);
      if (!(entry.busy_until_s >= entry.start_s + busy / placement.parts - slack_s_)) {
        return Broken("%s is busy for %g s; it takes %g", Name(entry), entry.busy_until_s - entry.start_s,
                      busy / placement.parts);
      }
      if (!(entry.busy_until_s >= entry.transfer_until_s - slack_s_))
        return Broken("%s ends before its bytes have moved", Name(entry));
      if (!(entry.finish_s >= entry.busy_until_s + latency - slack_s_))
        return Broken("%s ends before its latency", Name(entry));
      const double bytes = PartBytes(graph_.tasks[entry.task], placement, entry.part, edge_bytes[entry.task]);
      if (std::abs(entry.bytes - bytes) > kRounding * bytes)
        return Broken("%s moves %g bytes; it needs %g", Name(entry), entry.bytes, bytes);
    }
    return absl::OkStatus();
  }

  absl::Status CheckInputs() const {
    std::vector<double> whole(graph_.tasks.size(), 0);
    for (const ScheduleEntry& entry : schedule_.entries)
      whole[entry.task] = std::max(whole[entry.task], entry.finish_s);
    for (std::size_t i = 0; i < graph_.edges.size(); ++i) {
      const TaskEdge& edge = graph_.edges[i];
      const std::uint32_t slots = BufferSlots(edge, hardware_, schedule_.placements);
      for (std::uint32_t part = 0; part < schedule_.placements[edge.to].parts; ++part) {
        const ScheduleEntry& consumer = Part(edge.to, part);
        const double ready = ByParts(edge) ? Part(edge.from, part).finish_s : whole[edge.from];
        const bool moves = consumer.transfer_until_s > consumer.transfer_start_s;
        if (consumer.start_s < ready - slack_s_ || (moves && consumer.transfer_start_s < ready - slack_s_)) {
          return Broken("%s starts at %g s, before its input of %s is there at %g", Name(consumer), consumer.start_s,
                        graph_.tasks[edge.from].name, ready);
        }
        if (schedule_.on_chip[i] && part >= slots &&
            Part(edge.from, part).start_s < Part(edge.to, part - slots).finish_s - slack_s_) {
          return Broken("%s overwrites a buffer that %s still reads", Name(Part(edge.from, part)),
                        Name(Part(edge.to, part - slots)));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckInstances() const {
    struct Use {
      std::uint32_t unit, instance;
      double start_s, end_s;
      std::uint32_t entry;
      bool operator<(const Use& other) const {
        return std::tie(unit, instance, start_s, end_s) <
               std::tie(other.unit, other.instance, other.start_s, other.end_s);
      }
    };
    std::vector<Use> uses;
    uses.reserve(schedule_.entries.size());
    for (std::size_t i = 0; i < schedule_.entries.size(); ++i) {
      const ScheduleEntry& entry = schedule_.entries[i];
      uses.push_back({schedule_.placements[entry.task].unit, entry.instance, entry.start_s, entry.busy_until_s,
                      static_cast<std::uint32_t>(i)});
    }
    std::sort(uses.begin(), uses.end());
    for (std::size_t i = 1; i < uses.size(); ++i) {
      const Use &before = uses[i - 1], &use = uses[i];
      if (use.unit == before.unit && use.instance == before.instance && use.start_s < before.end_s - slack_s_) {
        return Broken("%s starts at %g s on an instance of %s that %s keeps until %g",
                      Name(schedule_.entries[use.entry]), use.start_s, hardware_.units[use.unit].name,
                      Name(schedule_.entries[before.entry]), before.end_s);
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckMemory() const {
    if (schedule_.sram_bytes) {
      const double use = SramUse(graph_, hardware_, schedule_.placements, schedule_.on_chip);
      if (use > *schedule_.sram_bytes * (1 + kRounding))
        return Broken("keeps %g bytes in an SRAM of %g", use, *schedule_.sram_bytes);
    }
    if (!hardware_.memory.bandwidth_gbps) return absl::OkStatus();
    std::vector<const ScheduleEntry*> entries;
    for (const ScheduleEntry& entry : schedule_.entries) {
      if (entry.bytes > 0) entries.push_back(&entry);
    }
    std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
      return std::pair(a->transfer_start_s, a->transfer_until_s) < std::pair(b->transfer_start_s, b->transfer_until_s);
    });
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const ScheduleEntry& entry = *entries[i];
      const double least = entry.bytes / (*hardware_.memory.bandwidth_gbps * 1e9);
      if (entry.transfer_until_s - entry.transfer_start_s < least - slack_s_) {
        return Broken("%s moves %g bytes in %g s; the memory needs %g", Name(entry), entry.bytes,
                      entry.transfer_until_s - entry.transfer_start_s, least);
      }
      if (i > 0 && entry.transfer_start_s < entries[i - 1]->transfer_until_s - slack_s_) {
        return Broken("%s and %s use the memory at once", Name(*entries[i - 1]), Name(entry));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckTotals() const {
    double last = 0;
    for (const ScheduleEntry& entry : schedule_.entries) last = std::max(last, entry.finish_s);
    if (last != schedule_.makespan_s)
      return Broken("ends at %g s; its last part does at %g", schedule_.makespan_s, last);
    if (schedule_.makespan_s > schedule_.sum_of_durations_s + slack_s_) {
      return Broken("takes %g s; one part after the other takes %g", schedule_.makespan_s,
                    schedule_.sum_of_durations_s);
    }
    if (schedule_.makespan_s < schedule_.bounds.best_s() - slack_s_) {
      return Broken("takes %g s, less than its lower bound %g", schedule_.makespan_s, schedule_.bounds.best_s());
    }
    return absl::OkStatus();
  }

  const TaskGraph& graph_;
  const Hardware& hardware_;
  const Schedule& schedule_;
  const double slack_s_;
  std::vector<std::size_t> first_part_;
  std::vector<std::uint32_t> entry_of_;
};

}  // namespace

absl::Status ValidateSchedule(const TaskGraph& graph, const Hardware& hardware, const Schedule& schedule) {
  return Validator(graph, hardware, schedule).Run();
}

}  // namespace dvren::analysis
