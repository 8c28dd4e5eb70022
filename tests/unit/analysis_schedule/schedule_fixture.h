// Small accelerators and graphs whose schedules can be worked out by hand.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <random>
#include <string>

#include "dvren/analysis/schedule.h"

namespace dvren::analysis {

// Units "A" and "B" at 1 GHz that do one operation a cycle, 1 MiB of SRAM, 1 GB/s.
inline Hardware TwoUnits() {
  Hardware hardware;
  hardware.name = "two units";
  hardware.clock_mhz = 1000;
  hardware.memory.bandwidth_gbps = 1;
  hardware.sram = {{"all", 1024, "KB"}};
  for (const char* name : {"A", "B"}) {
    HardwareUnit unit;
    unit.name = name;
    unit.kind = name;
    unit.operators = {name};
    unit.rates_per_cycle[static_cast<std::size_t>(WorkMeasure::kOperations)] = 1;
    hardware.units.push_back(unit);
  }
  return hardware;
}

// A task of unit `op_type` that keeps it busy for `milliseconds`.
inline Task TaskOn(const std::string& op_type, double milliseconds) {
  Task task;
  task.name = task.op_type = task.label = op_type;
  task.work[static_cast<std::size_t>(WorkMeasure::kOperations)] = milliseconds * 1e6;
  return task;
}

// Tasks of random sizes on both units, with random edges from earlier to later ones.
inline TaskGraph RandomGraph(std::mt19937& random, std::size_t tasks, std::size_t edges_each, bool barriers) {
  std::uniform_real_distribution<double> size(0, 1);
  TaskGraph graph;
  for (std::size_t i = 0; i < tasks; ++i) {
    Task task = TaskOn(random() % 2 == 0 ? "A" : "B", size(random));
    task.name += std::to_string(i);
    task.read_bytes = random() % 3 == 0 ? 1e5 * size(random) : 0;
    task.write_bytes = random() % 5 == 0 ? 1e5 * size(random) : 0;
    task.parameter_bytes = random() % 4 == 0 ? 1e5 * size(random) : 0;
    task.table_bytes = random() % 8 == 0 ? 1e6 * size(random) : 0;
    task.table_traffic_bytes = 4 * task.table_bytes;
    task.barrier = barriers && random() % 6 == 0;
    task.space = random() % 4 == 0 ? "4096" : "4096x64";
    for (std::size_t k = 0; i > 0 && k < edges_each; ++k) {
      graph.edges.push_back(
          {static_cast<std::uint32_t>(random() % i), static_cast<std::uint32_t>(i), 1e5 * size(random)});
    }
    graph.tasks.push_back(task);
  }
  return graph;
}

}  // namespace dvren::analysis
