#include "dvren/analysis/schedule_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace dvren::analysis {
namespace {

using Json = nlohmann::ordered_json;

Json OrNull(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json UnitsJson(const Hardware& hardware, const Schedule& schedule) {
  Json units = Json::array();
  for (const UnitLoad& load : schedule.loads) {
    const HardwareUnit& unit = hardware.units[load.unit];
    units.push_back({{"unit", unit.name},
                     {"instances", unit.count},
                     {"tasks", load.tasks},
                     {"busy_s", load.busy_s},
                     {"utilisation", load.utilisation}});
  }
  return units;
}

Json TasksJson(const TaskGraph& graph, const Hardware& hardware, const Schedule& schedule, std::size_t most) {
  Json tasks = Json::array();
  for (std::size_t i = 0; i < std::min(most, graph.tasks.size()); ++i) {
    tasks.push_back({{"task", graph.tasks[i].name},
                     {"unit", hardware.units[schedule.placements[i].unit].name},
                     {"parts", schedule.placements[i].parts}});
  }
  return tasks;
}

Json EntriesJson(const TaskGraph& graph, const Hardware& hardware, const Schedule& schedule, std::size_t most) {
  std::vector<bool> critical(schedule.entries.size(), false);
  for (const std::uint32_t entry : schedule.CriticalPath()) critical[entry] = true;
  std::vector<std::size_t> by_start(schedule.entries.size());
  std::iota(by_start.begin(), by_start.end(), 0);
  std::stable_sort(by_start.begin(), by_start.end(), [&](std::size_t a, std::size_t b) {
    return schedule.entries[a].start_s < schedule.entries[b].start_s;
  });
  by_start.resize(std::min(most, by_start.size()));
  Json entries = Json::array();
  for (const std::size_t i : by_start) {
    const ScheduleEntry& entry = schedule.entries[i];
    entries.push_back({{"task", graph.tasks[entry.task].name},
                       {"part", entry.part},
                       {"unit", hardware.units[schedule.placements[entry.task].unit].name},
                       {"instance", entry.instance},
                       {"start_s", entry.start_s},
                       {"busy_until_s", entry.busy_until_s},
                       {"finish_s", entry.finish_s},
                       {"bytes", entry.bytes},
                       {"critical", static_cast<bool>(critical[i])}});
  }
  return entries;
}

}  // namespace

std::string ScheduleToJson(const TaskGraph& graph, const Hardware& hardware, const Schedule& schedule,
                           std::size_t most_entries) {
  const EnergyReport& energy = schedule.energy;
  Json json;
  json["hardware"] = hardware.name;
  json["tiles"] = schedule.tiles;
  json["makespan_s"] = schedule.makespan_s;
  json["cycles"] = hardware.clock_mhz ? Json(schedule.makespan_s * *hardware.clock_mhz * 1e6) : Json();
  json["sum_of_durations_s"] = schedule.sum_of_durations_s;
  json["bounds"] = {{"work_s", schedule.bounds.work_s},
                    {"work_unit", schedule.bounds.work_unit},
                    {"bytes_s", OrNull(schedule.bounds.bytes_s)},
                    {"critical_path_s", schedule.bounds.critical_path_s},
                    {"best_s", schedule.bounds.best_s()}};
  json["bottleneck"] = {{"resource", schedule.bottleneck},
                        {"steady_s_per_tile", schedule.steady_s_per_tile},
                        {"fill_s", schedule.fill_s},
                        {"drain_s", schedule.drain_s}};
  json["bytes"] = {{"moved", schedule.moved_bytes}, {"spilled", schedule.spilled_bytes}};
  json["sram_bytes"] = {{"used", schedule.sram_used_bytes}, {"capacity", OrNull(schedule.sram_bytes)}};
  json["units"] = UnitsJson(hardware, schedule);
  json["energy_j"] = {{"units", energy.units_j},
                      {"memory", energy.memory_j},
                      {"static", energy.static_j},
                      {"total", energy.total_j()},
                      {"unset", energy.unset}};
  json["area_mm2"] = OrNull(schedule.area_mm2);
  json["notes"] = schedule.notes;
  json["unset"] = schedule.unset;
  json["tasks"] = TasksJson(graph, hardware, schedule, most_entries);
  json["entries"] = EntriesJson(graph, hardware, schedule, most_entries);
  json["entries_left_out"] = schedule.entries.size() - json["entries"].size();
  return json.dump(2) + "\n";
}

std::string ReferenceScheduleToJson(const std::vector<ReferenceTask>& tasks, const ReferenceSchedule& schedule) {
  Json json;
  json["total_cycles"] = schedule.total_cycles;
  json["scheduling_efficiency"] = schedule.efficiency;
  json["resource_balance_factor"] = schedule.balance;
  json["ready_queue_peak_size"] = schedule.longest_ready_queue;
  json["entries"] = Json::array();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const ReferenceEntry& entry = schedule.entries[i];
    json["entries"].push_back({{"op_id", tasks[i].id},
                               {"hw_unit", schedule.units[entry.unit].name},
                               {"start_cycle", entry.start},
                               {"duration", entry.duration}});
  }
  return json.dump(2) + "\n";
}

}  // namespace dvren::analysis
