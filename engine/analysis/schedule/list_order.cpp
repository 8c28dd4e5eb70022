#include "analysis/schedule/list_order.h"

#include <functional>
#include <queue>
#include <tuple>

#include "analysis/schedule/task_adjacency.h"

namespace dvren::analysis {
namespace {

// What happens at a moment: an instance is free again, or a part's result is there.
struct Event {
  double at_s = 0;
  bool frees = false;
  std::uint32_t part = 0;  // place among all parts
  std::uint32_t instance = 0;
  bool operator>(const Event& other) const {
    return std::tie(at_s, part, frees) > std::tie(other.at_s, other.part, other.frees);
  }
};

template <class T>
using Earliest = std::priority_queue<T, std::vector<T>, std::greater<>>;

class Lister {
 public:
  Lister(const TaskGraph& graph, const Hardware& hardware, const SchedulePlan& plan)
      : graph_(graph), hardware_(hardware), plan_(plan), into_(graph, &TaskEdge::to), out_of_(graph, &TaskEdge::from) {}

  std::vector<PlacedPart> Run() {
    Number();
    CountWaits();
    for (std::uint32_t part = 0; part < owner_.size(); ++part) {
      if (waits_[part] == 0) MakeReady(part);
    }
    Dispatch(0);
    while (!events_.empty()) {
      const double now = events_.top().at_s;
      while (!events_.empty() && events_.top().at_s == now) {
        const Event event = events_.top();
        events_.pop();
        if (event.frees) {
          Free(event);
        } else {
          Finish(event.part);
        }
      }
      Dispatch(now);
    }
    return std::move(order_);
  }

 private:
  using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>;  // phase, tile, rank, part

  void Number() {
    rank_.resize(graph_.tasks.size());
    for (std::uint32_t i = 0; i < plan_.order.size(); ++i) rank_[plan_.order[i]] = i;
    for (std::uint32_t task = 0; task < graph_.tasks.size(); ++task) {
      first_.push_back(static_cast<std::uint32_t>(owner_.size()));
      open_parts_.push_back(plan_.placements[task].parts);
      owner_.insert(owner_.end(), plan_.placements[task].parts, task);
    }
    order_.reserve(owner_.size());
    ready_.resize(hardware_.units.size());
    free_.resize(hardware_.units.size());
    dirty_.assign(hardware_.units.size(), false);
    for (std::size_t unit = 0; unit < hardware_.units.size(); ++unit) {
      for (std::int64_t i = 0; i < hardware_.units[unit].count; ++i) free_[unit].push(static_cast<std::uint32_t>(i));
    }
  }

  // How many results, and how many buffers, each part waits for.
  void CountWaits() {
    waits_.assign(owner_.size(), 0);
    for (std::size_t i = 0; i < graph_.edges.size(); ++i) {
      const TaskEdge& edge = graph_.edges[i];
      for (std::uint32_t part = 0; part < plan_.placements[edge.to].parts; ++part) ++waits_[first_[edge.to] + part];
      if (!plan_.on_chip[i]) continue;
      for (std::uint32_t part = Slots(edge); part < plan_.placements[edge.from].parts; ++part)
        ++waits_[first_[edge.from] + part];
    }
  }

  [[nodiscard]] std::uint32_t Slots(const TaskEdge& edge) const {
    return BufferSlots(edge, hardware_, plan_.placements);
  }

  void MakeReady(std::uint32_t part) {
    const std::uint32_t task = owner_[part];
    const TaskPlacement& placement = plan_.placements[task];
    const bool streamed = plan_.tiles > 1 && !graph_.tasks[task].barrier;
    ready_[placement.unit].push(Key(placement.phase, streamed ? part - first_[task] : 0, rank_[task], part));
    MarkDirty(placement.unit);
  }

  void MarkDirty(std::uint32_t unit) {
    if (dirty_[unit]) return;
    dirty_[unit] = true;
    dirty_units_.push_back(unit);
  }

  void Free(const Event& event) {
    const std::uint32_t unit = plan_.placements[owner_[event.part]].unit;
    free_[unit].push(event.instance);
    MarkDirty(unit);
  }

  void Finish(std::uint32_t part) {
    const std::uint32_t task = owner_[part];
    const std::uint32_t tile = part - first_[task];
    const bool whole = --open_parts_[task] == 0;
    for (const std::uint32_t i : out_of_.of(task)) {
      const std::uint32_t to = graph_.edges[i].to;
      if (plan_.streams[i]) {
        Release(first_[to] + tile);
      } else if (whole) {
        for (std::uint32_t k = 0; k < plan_.placements[to].parts; ++k) Release(first_[to] + k);
      }
    }
    for (const std::uint32_t i : into_.of(task)) {
      const TaskEdge& edge = graph_.edges[i];
      if (plan_.on_chip[i] && tile + Slots(edge) < plan_.placements[edge.from].parts)
        Release(first_[edge.from] + tile + Slots(edge));
    }
  }

  void Release(std::uint32_t part) {
    if (--waits_[part] == 0) MakeReady(part);
  }

  void Dispatch(double now) {
    for (const std::uint32_t unit : dirty_units_) {
      dirty_[unit] = false;
      while (!ready_[unit].empty() && !free_[unit].empty()) {
        const std::uint32_t part = std::get<3>(ready_[unit].top());
        const std::uint32_t instance = free_[unit].top();
        ready_[unit].pop();
        free_[unit].pop();
        const std::uint32_t task = owner_[part];
        const double busy = plan_.busy_s[task] / plan_.placements[task].parts;
        events_.push({now + busy, true, part, instance});
        events_.push({now + busy + plan_.latency_s[task], false, part, instance});
        order_.push_back({task, part - first_[task], instance});
      }
    }
    dirty_units_.clear();
  }

  const TaskGraph& graph_;
  const Hardware& hardware_;
  const SchedulePlan& plan_;
  const TaskAdjacency into_, out_of_;
  std::vector<std::uint32_t> rank_;            // by task
  std::vector<std::uint32_t> first_;           // by task: its first part among all
  std::vector<std::uint32_t> open_parts_;      // by task
  std::vector<std::uint32_t> owner_;           // by part: its task
  std::vector<std::uint32_t> waits_;           // by part
  std::vector<Earliest<Key>> ready_;           // by unit
  std::vector<Earliest<std::uint32_t>> free_;  // by unit: instances
  std::vector<bool> dirty_;                    // by unit: has something new
  std::vector<std::uint32_t> dirty_units_;
  Earliest<Event> events_;
  std::vector<PlacedPart> order_;
};

}  // namespace

std::vector<PlacedPart> ListOrder(const TaskGraph& graph, const Hardware& hardware, const SchedulePlan& plan) {
  return Lister(graph, hardware, plan).Run();
}

}  // namespace dvren::analysis
