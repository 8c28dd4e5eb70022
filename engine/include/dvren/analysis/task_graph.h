// What a scheduler knows of a workload: tasks with their work and bytes, and the tensors between them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dvren/analysis/work_measure.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

struct Task {
  std::string name;     // for people: "n03 MLP (B)"
  std::string op_type;  // "MLP": what units list
  std::string label;    // "MLP (B)": looked up first
  std::string space;    // what it runs over, "4096x64": only tasks over the same space stream into each other
  Work work{};
  double read_bytes = 0;           // of tensors that no task of the graph makes
  double write_bytes = 0;          // of tensors that no task of the graph reads
  double parameter_bytes = 0;      // weights: read once where they stay on the chip, else once for every tile
  double table_bytes = 0;          // a table that is read and updated at computed places
  double table_traffic_bytes = 0;  // what that moves where the table does not stay on the chip
  bool barrier = false;  // needs its inputs whole, and gives its output at its end: an optimizer step, a global sort
};

struct TaskEdge {
  std::uint32_t from = 0, to = 0;  // places in tasks
  double bytes = 0;
};

struct TaskGraph {
  std::string name;
  std::vector<Task> tasks;
  std::vector<TaskEdge> edges;

  // INVALID_ARGUMENT for an edge that leaves the graph or ends where it begins, or a quantity that is negative or not
  // finite.
  [[nodiscard]] absl::Status Check() const;
  // Places in tasks, producers first and otherwise in order; INVALID_ARGUMENT names a task on a cycle.
  [[nodiscard]] absl::StatusOr<std::vector<std::uint32_t>> TopologicalOrder() const;
};

}  // namespace dvren::analysis
