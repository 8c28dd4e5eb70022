#include "dvren/analysis/task_graph.h"

#include <cmath>
#include <functional>
#include <queue>

namespace dvren::analysis {
namespace {

absl::Status CheckTask(const Task& task) {
  const auto check = [&](const char* field, double value) {
    if (std::isfinite(value) && value >= 0) return absl::OkStatus();
    return InvalidField(absl::StrCat("task ", task.name, ": ", field), value, "must be finite and not below 0");
  };
  for (std::size_t i = 0; i < kWorkMeasures; ++i)
    DVREN_RETURN_IF_ERROR(check(WorkMeasureNames()[i].c_str(), task.work[i]));
  DVREN_RETURN_IF_ERROR(check("read_bytes", task.read_bytes));
  DVREN_RETURN_IF_ERROR(check("write_bytes", task.write_bytes));
  DVREN_RETURN_IF_ERROR(check("parameter_bytes", task.parameter_bytes));
  DVREN_RETURN_IF_ERROR(check("table_bytes", task.table_bytes));
  return check("table_traffic_bytes", task.table_traffic_bytes);
}

}  // namespace

absl::Status TaskGraph::Check() const {
  if (tasks.empty()) return absl::InvalidArgumentError("graph: has no task; give one");
  for (const Task& task : tasks) DVREN_RETURN_IF_ERROR(CheckTask(task));
  for (const TaskEdge& edge : edges) {
    if (edge.from >= tasks.size() || edge.to >= tasks.size() || edge.from == edge.to) {
      return InvalidField("edge", absl::StrCat(edge.from, " -> ", edge.to),
                          absl::StrCat("must join two different of the ", tasks.size(), " tasks"));
    }
    if (!std::isfinite(edge.bytes) || edge.bytes < 0) {
      return InvalidField(absl::StrCat("edge ", edge.from, " -> ", edge.to, ": bytes"), edge.bytes,
                          "must be finite and not below 0");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::uint32_t>> TaskGraph::TopologicalOrder() const {
  std::vector<std::uint32_t> open(tasks.size(), 0);
  std::vector<std::uint32_t> first(tasks.size() + 1, 0), consumers(edges.size());
  for (const TaskEdge& edge : edges) {
    ++open[edge.to];
    ++first[edge.from + 1];
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) first[i + 1] += first[i];
  std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
  for (const TaskEdge& edge : edges) consumers[next[edge.from]++] = edge.to;

  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> ready;
  for (std::uint32_t i = 0; i < tasks.size(); ++i) {
    if (open[i] == 0) ready.push(i);
  }
  std::vector<std::uint32_t> order;
  order.reserve(tasks.size());
  while (!ready.empty()) {
    const std::uint32_t task = ready.top();
    ready.pop();
    order.push_back(task);
    for (std::uint32_t i = first[task]; i < first[task + 1]; ++i) {
      if (--open[consumers[i]] == 0) ready.push(consumers[i]);
    }
  }
  if (order.size() == tasks.size()) return order;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (open[i] != 0) {
      return InvalidField("graph: task", tasks[i].name, "lies on or behind a cycle; a schedule needs an acyclic graph");
    }
  }
  return absl::InternalError("graph: a task is missing from its order");
}

}  // namespace dvren::analysis
