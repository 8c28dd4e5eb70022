#include "analysis/schedule/list_schedule.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace dvren::analysis {
namespace {

constexpr double kInputs = 1;  // it reads the first input's shape alone

struct Graph {
  std::vector<std::vector<std::uint32_t>> consumers;
  std::vector<std::vector<std::uint32_t>> producers;
};

Graph MakeGraph(std::size_t tasks, const ReferenceEdges& edges) {
  Graph graph;
  graph.consumers.resize(tasks);
  graph.producers.resize(tasks);
  for (const auto& [from, to] : edges) {
    graph.consumers[from].push_back(to);
    graph.producers[to].push_back(from);
  }
  return graph;
}

// Paths that leave each task, counted in tasks: Σ over consumers (1 + theirs). 0 for what lies on or behind a cycle.
std::vector<double> CountSuccessors(const Graph& graph) {
  std::vector<std::size_t> open(graph.consumers.size());
  std::vector<std::uint32_t> done;
  std::vector<double> successors(open.size(), 0);
  for (std::size_t i = 0; i < open.size(); ++i) {
    open[i] = graph.consumers[i].size();
    if (open[i] == 0) done.push_back(static_cast<std::uint32_t>(i));
  }
  for (std::size_t next = 0; next < done.size(); ++next) {
    for (const std::uint32_t producer : graph.producers[done[next]]) {
      successors[producer] += 1 + successors[done[next]];
      if (--open[producer] == 0) done.push_back(producer);
    }
  }
  return successors;
}

std::vector<double> Scores(const std::vector<ListTask>& tasks, const Graph& graph) {
  std::vector<double> scores = CountSuccessors(graph);
  double longest = 1, most_gain = 1;
  const auto gain = [](const ListTask& task) {
    return task.base_duration / std::max<double>(1, static_cast<double>(task.duration));
  };
  for (const ListTask& task : tasks) {
    longest = std::max(longest, static_cast<double>(task.duration));
    most_gain = std::max(most_gain, gain(task));
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const double impact = 0.5 * static_cast<double>(tasks[i].duration) / longest +
                          0.3 * std::min((0.5 + 0.1 * kInputs) / std::max(1.0, kInputs), 1.0) +
                          0.2 * gain(tasks[i]) / most_gain;
    scores[i] = 0.6 * scores[i] + 0.4 * impact;
  }
  return scores;
}

// Its order of what is left: that of a hash set of ids, filled from a hash map of all of them.
std::vector<std::uint32_t> Leftovers(const std::vector<ListTask>& tasks, const std::vector<bool>& scheduled) {
  std::unordered_map<std::string, std::uint32_t> all;
  all.reserve(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) all[tasks[i].id] = static_cast<std::uint32_t>(i);
  std::unordered_set<std::string> left;
  for (const auto& [id, index] : all) {
    if (!scheduled[index]) left.insert(id);
  }
  std::vector<std::uint32_t> order;
  for (const std::string& id : left) order.push_back(all[id]);
  return order;
}

void Summarise(ReferenceSchedule* schedule) {
  std::vector<double> busy(schedule->units.size(), 0);
  std::vector<bool> used(busy.size(), false);
  for (const ReferenceEntry& entry : schedule->entries) {
    busy[entry.unit] += static_cast<double>(entry.duration);
    used[entry.unit] = true;
    schedule->total_cycles = std::max(schedule->total_cycles, entry.start + entry.duration);
  }
  if (schedule->total_cycles == 0) return;
  const auto units = static_cast<double>(std::count(used.begin(), used.end(), true));
  const auto total = static_cast<double>(schedule->total_cycles);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < busy.size(); ++i) sum += busy[i];
  schedule->efficiency = sum / units / total;
  for (std::size_t i = 0; i < busy.size(); ++i) {
    if (used[i]) squares += std::pow(busy[i] / total - schedule->efficiency, 2);
  }
  schedule->balance = std::sqrt(squares / units);
}

}  // namespace

ReferenceSchedule ListSchedule(const std::vector<ListTask>& tasks, const ReferenceEdges& edges,
                               std::vector<ReferenceUnit> units) {
  const Graph graph = MakeGraph(tasks.size(), edges);
  const std::vector<double> scores = Scores(tasks, graph);
  ReferenceSchedule schedule;
  schedule.units = std::move(units);
  schedule.entries.resize(tasks.size());
  const auto later = [&](std::uint32_t a, std::uint32_t b) {
    return scores[a] != scores[b] ? scores[a] < scores[b] : tasks[a].id < tasks[b].id;
  };
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, decltype(later)> ready(later);
  std::vector<std::size_t> open(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    open[i] = graph.producers[i].size();
    if (open[i] == 0) ready.push(static_cast<std::uint32_t>(i));
  }
  std::vector<std::int64_t> free_at(schedule.units.size(), 0);
  std::vector<bool> scheduled(tasks.size(), false);
  const auto place = [&](std::uint32_t task, std::int64_t earliest) {
    ReferenceEntry& entry = schedule.entries[task];
    entry = {tasks[task].unit, std::max(earliest, free_at[tasks[task].unit]), tasks[task].duration};
    free_at[entry.unit] = entry.start + entry.duration;
    scheduled[task] = true;
  };
  while (!ready.empty()) {
    schedule.longest_ready_queue = std::max(schedule.longest_ready_queue, static_cast<std::int64_t>(ready.size()));
    const std::uint32_t task = ready.top();
    ready.pop();
    std::int64_t earliest = 0;
    for (const std::uint32_t producer : graph.producers[task]) {
      earliest = std::max(earliest, schedule.entries[producer].start + schedule.entries[producer].duration);
    }
    place(task, earliest);
    for (const std::uint32_t consumer : graph.consumers[task]) {
      if (--open[consumer] == 0) ready.push(consumer);
    }
  }
  for (const std::uint32_t task : Leftovers(tasks, scheduled)) place(task, 0);
  Summarise(&schedule);
  return schedule;
}

}  // namespace dvren::analysis
