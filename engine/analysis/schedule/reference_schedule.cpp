#include "dvren/analysis/reference_schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "absl/strings/ascii.h"
#include "analysis/schedule/list_schedule.h"

namespace dvren::analysis {
namespace {

constexpr double kBytesPerElement = 4;

// Cycles of a kind of operator before strategies.
double BaseCycles(const std::string& kind) {
  static const std::map<std::string, double> table = {
      {"HASH_ENCODE", 400},         {"FIELD_COMPUTATION", 1200}, {"SAMPLING", 600}, {"VOLUME_RENDERING", 900},
      {"GAUSSIAN_SPLATTING", 1500}, {"RASTERIZATION", 700},      {"BLENDING", 500}};
  const auto found = table.find(kind);
  return found == table.end() ? 800 : found->second;
}

// The strategies that apply to a kind: (reuses, skips, low bits). Sparse radiance warping, a reuse, applies to every
// kind.
struct Strategies {
  int reuse = 1, skip = 0, low_bit = 0;
};

Strategies StrategiesOf(const std::string& kind) {
  static const std::map<std::string, Strategies> table = {
      {"FIELD_COMPUTATION", {2, 0, 0}},   // exponential value reuse
      {"HASH_ENCODE", {2, 0, 0}},         // restricted hashing
      {"SAMPLING", {1, 0, 1}},            // low precision sampling
      {"VOLUME_RENDERING", {1, 1, 0}},    // early ray termination
      {"RASTERIZATION", {1, 1, 0}},       // tile culling
      {"GAUSSIAN_SPLATTING", {2, 2, 0}},  // value reuse; gaussian skipping, tile culling
  };
  const auto found = table.find(kind);
  return found == table.end() ? Strategies{} : found->second;
}

std::int64_t AnalyticalCycles(const std::string& kind) {
  const Strategies strategies = StrategiesOf(kind);
  const double factor =
      std::pow(0.9, strategies.reuse) * std::pow(0.85, strategies.skip) * std::pow(0.95, strategies.low_bit);
  return static_cast<std::int64_t>(BaseCycles(kind) * factor);
}

std::int64_t DummyCycles(const ReferenceTask& task, const std::string& kind) {
  static const std::map<std::string, double> elements_per_cycle = {{"FIELD_COMPUTATION", 256}, {"HASH_ENCODE", 64},
                                                                   {"ENCODING", 64},           {"SAMPLING", 64},
                                                                   {"VOLUME_RENDERING", 64},   {"BLENDING", 64}};
  const auto rate = elements_per_cycle.find(kind);
  const double bytes_per_cycle = kind == "FIELD_COMPUTATION" ? 64 : rate == elements_per_cycle.end() ? 16 : 32;
  const Strategies strategies = StrategiesOf(kind);
  const double cycles =
      std::ceil(static_cast<double>(task.inputs) / (rate == elements_per_cycle.end() ? 1 : rate->second));
  const auto compute = static_cast<std::int64_t>(cycles * std::pow(0.8, strategies.reuse + strategies.skip));
  const auto bytes = kBytesPerElement * (static_cast<double>(task.inputs) + static_cast<double>(task.outputs));
  return std::max(compute, static_cast<std::int64_t>(std::ceil(bytes / bytes_per_cycle)));
}

// ---- the command line's trace

// It knows BLENDING under another name.
std::string TraceKind(const std::string& label) {
  return label == "BLENDING" ? "VOLUME_RENDERING" : label;
}

double TraceScale(const std::string& kind, const std::string& accelerator) {
  static const std::map<std::string, double> any = {{"SAMPLING", 0.8}, {"ENCODING", 0.8}, {"FIELD_COMPUTATION", 0.85}};
  static const std::map<std::string, double> neurex = {
      {"SAMPLING", 0.65}, {"ENCODING", 0.7}, {"FIELD_COMPUTATION", 0.75}};
  const auto& table = absl::AsciiStrToUpper(accelerator) == "NEUREX" ? neurex : any;
  const auto found = table.find(kind);
  return found == table.end() ? 1 : found->second;
}

// Areas and powers of modules by the kind of unit. Its table has entries that it finds for ICARUS alone; a miss has
// these.
struct ModuleFigures {
  double area_um2 = 10000, power_uw = 250;
};

ModuleFigures ModuleOf(const ReferenceUnit& unit, const std::string& accelerator) {
  static const std::map<std::string, ModuleFigures> icarus = {{"ENCODING", {6714, 50 + 255}},
                                                              {"FIELD_COMPUTATION", {5.9e6, 50000 + 350000}},
                                                              {"SAMPLING", {4755, 200 + 1717}},
                                                              {"VOLUME_RENDERING", {4755, 200 + 1717}}};
  if (accelerator != "ICARUS") return {};
  const auto found = icarus.find(unit.kind);
  return found == icarus.end() ? ModuleFigures{} : found->second;
}

constexpr double kSramAreaPerKb = 1758;                        // µm²
constexpr double kSramPowerPerKb = (600000 + 50000) / 1024.0;  // µW, dynamic and static

void Price(const Hardware& hardware, ReferenceTraceReport* report) {
  const ReferenceSchedule& schedule = report->schedule;
  std::vector<bool> used(schedule.units.size(), false);
  for (const ReferenceEntry& entry : schedule.entries) used[entry.unit] = true;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const ModuleFigures module = ModuleOf(schedule.units[i], hardware.reference.accelerator_name);
    report->area_um2 += module.area_um2;
    report->power_uw += module.power_uw;
  }
  const double sram_kb = hardware.SramKilobytes().value_or(0);
  report->area_um2 += sram_kb * kSramAreaPerKb;
  report->power_uw += sram_kb * kSramPowerPerKb;
  // The SRAM's own share is told only where the table of modules has the accelerator.
  if (hardware.reference.accelerator_name == "ICARUS") report->sram_area_um2 = sram_kb * kSramAreaPerKb;
}

absl::Status CheckEdges(std::size_t tasks, const ReferenceEdges& edges) {
  for (const auto& [from, to] : edges) {
    if (from >= tasks || to >= tasks) {
      return InvalidField("edge", absl::StrCat(from, " -> ", to),
                          absl::StrCat("must join two of the ", tasks, " tasks"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ReferenceSchedule> ReferencePipelineSchedule(const std::vector<ReferenceTask>& tasks,
                                                            const ReferenceEdges& edges, const Hardware& hardware,
                                                            ReferenceDuration duration) {
  DVREN_RETURN_IF_ERROR(CheckEdges(tasks.size(), edges));
  std::vector<ReferenceUnit> units = ReferenceUnits(hardware, ReferenceOrder::kByName);
  std::vector<std::string> labels;
  for (const ReferenceTask& task : tasks) labels.push_back(task.label);
  const std::vector<std::size_t> mapping = ReferenceMapping(labels, units);
  std::vector<ListTask> list;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::string kind = absl::AsciiStrToUpper(tasks[i].label);
    list.push_back({tasks[i].id, mapping[i],
                    duration == ReferenceDuration::kAnalytical ? AnalyticalCycles(kind) : DummyCycles(tasks[i], kind),
                    BaseCycles(kind)});
  }
  return ListSchedule(list, edges, std::move(units));
}

absl::StatusOr<ReferenceTraceReport> ReferenceTraceSchedule(const std::vector<ReferenceTask>& tasks,
                                                            const ReferenceEdges& edges, const Hardware& hardware) {
  DVREN_RETURN_IF_ERROR(CheckEdges(tasks.size(), edges));
  std::vector<ReferenceUnit> units = ReferenceUnits(hardware, ReferenceOrder::kAsWritten);
  std::map<std::string, std::vector<std::size_t>> of_kind;
  for (std::size_t i = 0; i < units.size(); ++i) of_kind[units[i].kind].push_back(i);
  std::map<std::string, std::size_t> turn;
  ReferenceTraceReport report;
  report.clock_mhz = hardware.reference.clock_mhz.value_or(1000);
  std::vector<ListTask> list;
  for (const ReferenceTask& task : tasks) {
    const std::string kind = TraceKind(task.label);
    const auto found = of_kind.find(kind);
    const std::size_t unit = found == of_kind.end() ? 0 : found->second[turn[kind]++ % found->second.size()];
    const double scaled =
        static_cast<double>(AnalyticalCycles(kind)) * TraceScale(kind, hardware.reference.accelerator_name);
    const double bytes = kBytesPerElement * (static_cast<double>(task.inputs) + static_cast<double>(task.outputs));
    double cycles = std::max(1.0, std::nearbyint(scaled));  // half to even
    if (hardware.reference.bandwidth_gbps) {
      cycles =
          std::max(cycles, std::nearbyint(bytes / (*hardware.reference.bandwidth_gbps * 1e9) * report.clock_mhz * 1e6));
    }
    report.bytes += static_cast<std::int64_t>(bytes);
    list.push_back({task.id, unit, static_cast<std::int64_t>(cycles), BaseCycles(kind)});
  }
  report.schedule = ListSchedule(list, edges, std::move(units));
  Price(hardware, &report);
  report.frame_time_s = static_cast<double>(report.schedule.total_cycles) / (report.clock_mhz * 1e6);
  if (report.frame_time_s > 0) {
    report.frames_per_s = 1 / report.frame_time_s;
    report.effective_bandwidth_gbps = static_cast<double>(report.bytes) / report.frame_time_s * 1e-9;
  }
  report.energy_j = report.power_uw * 1e-6 * report.frame_time_s;
  return report;
}

}  // namespace dvren::analysis
