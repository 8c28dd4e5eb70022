// The edges of a task graph by one of their ends.
#pragma once

#include <span>
#include <vector>

#include "dvren/analysis/task_graph.h"

namespace dvren::analysis {

class TaskAdjacency {
 public:
  TaskAdjacency(const TaskGraph& graph, std::uint32_t TaskEdge::*end)
      : first_(graph.tasks.size() + 1, 0), edges_(graph.edges.size()) {
    for (const TaskEdge& edge : graph.edges) ++first_[edge.*end + 1];
    for (std::size_t i = 0; i < graph.tasks.size(); ++i) first_[i + 1] += first_[i];
    std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
    for (std::size_t i = 0; i < graph.edges.size(); ++i)
      edges_[next[graph.edges[i].*end]++] = static_cast<std::uint32_t>(i);
  }
  // Places in the graph's edges, in their order.
  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t task) const {
    return std::span(edges_).subspan(first_[task], first_[task + 1] - first_[task]);
  }

 private:
  std::vector<std::uint32_t> first_;  // of each task, and the end
  std::vector<std::uint32_t> edges_;
};

}  // namespace dvren::analysis
