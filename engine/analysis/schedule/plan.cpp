#include "analysis/schedule/plan.h"

#include <algorithm>
#include <limits>
#include <map>

namespace dvren::analysis {
namespace {

constexpr std::int64_t kLeastTiles = 16;                    // a pipeline of few stages fills within some percent
constexpr std::int64_t kMostParts = std::int64_t{1} << 20;  // of all tasks together

class Planner {
 public:
  Planner(const TaskGraph& graph, const Hardware& hardware, const ScheduleOptions& options)
      : graph_(graph), hardware_(hardware), options_(options) {}

  absl::StatusOr<SchedulePlan> Run() {
    DVREN_RETURN_IF_ERROR(graph_.Check());
    if (options_.most_tiles < 1) return InvalidField("schedule: most_tiles", options_.most_tiles, "must be >= 1");
    DVREN_ASSIGN_OR_RETURN(topological_, graph_.TopologicalOrder());
    DVREN_RETURN_IF_ERROR(Place());
    std::string note;
    plan_.sram_bytes = SramBytes(hardware_, &note);
    if (!note.empty()) plan_.notes.push_back(std::move(note));
    FindPhases(/*all_whole=*/false);
    KeepSmallest();
    ChooseTiles();
    if (plan_.tiles == 1) FindPhases(/*all_whole=*/true);
    SetParts(plan_.tiles);
    Order();
    return std::move(plan_);
  }

 private:
  absl::Status Place() {
    const std::size_t n = graph_.tasks.size();
    plan_.placements.resize(n);
    plan_.busy_s.resize(n);
    plan_.latency_s.resize(n);
    std::map<std::string, std::string> fallbacks;  // op_type, what happened
    for (std::size_t i = 0; i < n; ++i) {
      const Task& task = graph_.tasks[i];
      DVREN_ASSIGN_OR_RETURN(const UnitChoice choice, ChooseUnit(task, hardware_));
      const HardwareUnit& unit = hardware_.units[choice.unit];
      bool uncovered = false;
      DVREN_ASSIGN_OR_RETURN(plan_.busy_s[i], BusySeconds(task, unit, hardware_, &uncovered));
      DVREN_ASSIGN_OR_RETURN(plan_.latency_s[i], LatencySeconds(unit, hardware_));
      plan_.placements[i].unit = choice.unit;
      if (choice.listed && !uncovered) continue;
      fallbacks.emplace(task.label,
                        absl::StrCat(task.label, " runs on ", unit.name, choice.listed ? "" : ", the general unit",
                                     uncovered ? ", whose first rate is applied to all its operations" : ""));
    }
    for (auto& [op_type, note] : fallbacks) plan_.notes.push_back(std::move(note));
    return absl::OkStatus();
  }

  // A phase ends where a whole task meets a streamed one, or one space another.
  void FindPhases(bool all_whole) {
    whole_.assign(graph_.tasks.size(), all_whole);
    for (std::size_t i = 0; i < whole_.size(); ++i) whole_[i] = all_whole || graph_.tasks[i].barrier;
    std::vector<std::vector<std::uint32_t>> producers(graph_.tasks.size());
    for (const TaskEdge& edge : graph_.edges) producers[edge.to].push_back(edge.from);
    const auto ends_between = [&](std::uint32_t from, std::uint32_t to) {
      return whole_[from] != whole_[to] || (!whole_[to] && graph_.tasks[from].space != graph_.tasks[to].space);
    };
    for (const std::uint32_t task : topological_) {
      std::uint32_t phase = 0;
      for (const std::uint32_t producer : producers[task]) {
        phase = std::max(phase, plan_.placements[producer].phase + (ends_between(producer, task) ? 1 : 0));
      }
      plan_.placements[task].phase = phase;
    }
    plan_.streams.assign(graph_.edges.size(), false);
    if (all_whole) return;
    for (std::size_t i = 0; i < graph_.edges.size(); ++i)
      plan_.streams[i] = Streams(graph_, graph_.edges[i], plan_.placements);
  }

  // Weights and tables stay, smallest first, in up to half of the SRAM; buffers have the rest.
  void KeepSmallest() {
    if (!plan_.sram_bytes) return;
    struct Resident {
      double bytes;
      std::size_t task;
      bool table;
    };
    std::vector<Resident> residents;
    for (std::size_t i = 0; i < graph_.tasks.size(); ++i) {
      if (graph_.tasks[i].parameter_bytes > 0) residents.push_back({graph_.tasks[i].parameter_bytes, i, false});
      if (graph_.tasks[i].table_bytes > 0) residents.push_back({graph_.tasks[i].table_bytes, i, true});
    }
    std::stable_sort(residents.begin(), residents.end(),
                     [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
    double kept = 0;
    for (const Resident& resident : residents) {
      if (kept + resident.bytes > *plan_.sram_bytes / 2) break;
      kept += resident.bytes;
      TaskPlacement& placement = plan_.placements[resident.task];
      (resident.table ? placement.table_stays : placement.parameters_stay) = true;
    }
  }

  // The number of tiles that moves the fewest bytes: more of them let more buffers fit, fewer of them read weights that
  // do not stay less often. At least kLeastTiles and some for every instance; of equals the least.
  void ChooseTiles() {
    const bool any_streams = std::find(plan_.streams.begin(), plan_.streams.end(), true) != plan_.streams.end();
    const std::int64_t most =
        std::min(options_.most_tiles, kMostParts / static_cast<std::int64_t>(graph_.tasks.size()));
    plan_.on_chip.assign(graph_.edges.size(), false);
    if (!options_.stream || !any_streams || !plan_.sram_bytes || most < 2) return;
    std::int64_t least = kLeastTiles;
    for (const TaskPlacement& placement : plan_.placements)
      least = std::max(least, 4 * hardware_.units[placement.unit].count);
    std::int64_t tiles = 2;
    while (tiles < least && tiles * 2 <= most) tiles *= 2;

    std::vector<std::size_t> largest_first;
    for (std::size_t i = 0; i < graph_.edges.size(); ++i) {
      if (plan_.streams[i]) largest_first.push_back(i);
    }
    std::stable_sort(largest_first.begin(), largest_first.end(),
                     [&](std::size_t a, std::size_t b) { return graph_.edges[a].bytes > graph_.edges[b].bytes; });
    double fewest = std::numeric_limits<double>::infinity();
    for (; tiles <= most; tiles *= 2) {
      SetParts(tiles);
      std::vector<bool> on_chip = KeepWhatFits(largest_first);
      const double moved = MovedBytes(graph_, plan_.placements, on_chip);
      if (moved >= fewest) continue;
      fewest = moved;
      plan_.tiles = tiles;
      plan_.on_chip = std::move(on_chip);
    }
    const auto spilled = static_cast<std::size_t>(std::count(plan_.on_chip.begin(), plan_.on_chip.end(), false)) -
                         (graph_.edges.size() - largest_first.size());
    if (spilled > 0) {
      plan_.notes.push_back(
          absl::StrCat("sram: ", spilled, " tensors do not fit in ", plan_.tiles, " tiles and go through memory"));
    }
  }

  // Buffers of the tensors that stream, largest first left out until the rest fits.
  [[nodiscard]] std::vector<bool> KeepWhatFits(const std::vector<std::size_t>& largest_first) const {
    std::vector<bool> on_chip = plan_.streams;
    double use = SramUse(graph_, hardware_, plan_.placements, on_chip);
    for (const std::size_t i : largest_first) {
      if (use <= *plan_.sram_bytes) break;
      const TaskEdge& edge = graph_.edges[i];
      on_chip[i] = false;
      use -= edge.bytes / plan_.placements[edge.from].parts * BufferSlots(edge, hardware_, plan_.placements);
    }
    return on_chip;
  }

  void SetParts(std::int64_t tiles) {
    const std::int64_t most = std::max<std::int64_t>(1, kMostParts / static_cast<std::int64_t>(graph_.tasks.size()));
    for (std::size_t i = 0; i < whole_.size(); ++i) {
      const std::int64_t parts = whole_[i] ? std::min(most, hardware_.units[plan_.placements[i].unit].count) : tiles;
      plan_.placements[i].parts = static_cast<std::uint32_t>(parts);
    }
  }

  // By phase, whole tasks first, then by rank: the longest way to an end in busy time, so that long chains go first.
  void Order() {
    std::vector<double> rank(graph_.tasks.size(), 0);
    std::vector<std::vector<std::uint32_t>> consumers(graph_.tasks.size());
    for (const TaskEdge& edge : graph_.edges) consumers[edge.from].push_back(edge.to);
    std::vector<std::uint32_t> place(graph_.tasks.size());
    for (std::size_t i = topological_.size(); i-- > 0;) {
      const std::uint32_t task = topological_[i];
      place[task] = static_cast<std::uint32_t>(i);
      for (const std::uint32_t consumer : consumers[task]) rank[task] = std::max(rank[task], rank[consumer]);
      rank[task] += plan_.busy_s[task] / plan_.placements[task].parts + plan_.latency_s[task];
    }
    plan_.order = topological_;
    std::sort(plan_.order.begin(), plan_.order.end(), [&](std::uint32_t a, std::uint32_t b) {
      const TaskPlacement &at = plan_.placements[a], &bt = plan_.placements[b];
      if (at.phase != bt.phase) return at.phase < bt.phase;
      if (whole_[a] != whole_[b]) return static_cast<bool>(whole_[a]);
      if (rank[a] != rank[b]) return rank[a] > rank[b];
      return place[a] < place[b];
    });
  }

  const TaskGraph& graph_;
  const Hardware& hardware_;
  const ScheduleOptions& options_;
  SchedulePlan plan_;
  std::vector<std::uint32_t> topological_;
  std::vector<bool> whole_;
};

}  // namespace

absl::StatusOr<SchedulePlan> PlanSchedule(const TaskGraph& graph, const Hardware& hardware,
                                          const ScheduleOptions& options) {
  return Planner(graph, hardware, options).Run();
}

}  // namespace dvren::analysis
