// The first implementation's hardware, mapping and schedules, against the figures it printed.
#include <algorithm>
#include <map>

#include "dvren/analysis/reference_schedule.h"
#include "operator_goldens.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

// "neurex_config" is configs/hardware/neurex.json.
Hardware Configuration(std::string golden) {
  if (const auto at = golden.find("_config"); at != std::string::npos) golden.erase(at);
  auto hardware = ReadHardware(std::string(DVREN_SOURCE_DIR) + "/configs/hardware/" + golden + ".json");
  INFO(hardware.status().message());
  REQUIRE(hardware.ok());
  return *hardware;
}

Approx Close(double value) {
  return Approx(value).epsilon(1e-9);
}

TEST_CASE("The eight published configurations hold the units, rates, areas and powers that the reference parses") {
  const auto golden = ReadGolden("schedules.json");
  if (!golden) return;
  for (const auto& [name, expected] : golden->at("hw").items()) {
    INFO(name);
    const Hardware hardware = Configuration(name);
    const auto units = ReferenceUnits(hardware, ReferenceOrder::kAsWritten);
    CHECK(hardware.reference.accelerator_name == expected.at("accelerator_name").get<std::string>());
    REQUIRE(units.size() == expected.at("units").size());
    double area = 0, power = 0, area_once = 0, power_once = 0, sram = 0;
    for (std::size_t i = 0; i < units.size(); ++i) {
      const json& unit = expected.at("units")[i];
      INFO(unit);
      CHECK(units[i].name == unit[0].get<std::string>());
      CHECK(units[i].kind == unit[1].get<std::string>());
      CHECK(units[i].throughput == Close(unit[2].get<double>()));
      CHECK(units[i].latency_cycles == unit[3].get<std::int64_t>());
      CHECK(units[i].area_um2 == Close(unit[4].get<double>()));
      CHECK(units[i].power_uw == Close(unit[5].get<double>()));
      CHECK(units[i].memory_kb == Close(unit[6].get<double>()));
      area += units[i].area_um2;
      power += units[i].power_uw;
    }
    for (const HardwareUnit& unit : hardware.units) {
      area_once += unit.area_um2.value_or(0);
      power_once += unit.power_uw.value_or(0);
    }
    for (const SramBlock& block : hardware.sram) sram += block.size;  // as written, whatever the unit
    CHECK(area == Close(expected.at("sum_area_um2_per_instance").get<double>()));
    CHECK(power == Close(expected.at("sum_power_uw_per_instance").get<double>()));
    CHECK(area_once == Close(expected.at("sum_area_um2_module_once").get<double>()));
    CHECK(power_once == Close(expected.at("sum_power_uw_module_once").get<double>()));
    CHECK(sram == Close(expected.at("sram_kb").get<double>()));
    const json& bandwidth = expected.at("has_memory_bw");
    CHECK(hardware.reference.bandwidth_gbps.has_value() == !bandwidth.is_null());
    if (!bandwidth.is_null()) CHECK(*hardware.reference.bandwidth_gbps == Close(bandwidth.get<double>()));
    const json& clock = expected.at("freq");
    CHECK(hardware.reference.clock_mhz.has_value() == !clock.is_null());
    if (!clock.is_null()) CHECK(*hardware.reference.clock_mhz == Close(clock.get<double>()));
  }
}

TEST_CASE("Labels of nine pipelines go to the units of eight configurations that the reference's two versions choose") {
  const auto golden = ReadGolden("schedules.json");
  if (!golden) return;
  int pairs = 0, different = 0;
  for (const auto& [pipeline, configurations] : golden->at("mapping").items()) {
    const auto labels = configurations.at("labels").get<std::vector<std::string>>();
    for (const auto& [name, expected] : configurations.items()) {
      if (name == "labels" || name == "attrs") continue;
      INFO(pipeline << " on " << name);
      const Hardware hardware = Configuration(name);
      const auto names = [&](ReferenceOrder order) {
        const auto units = ReferenceUnits(hardware, order);
        std::vector<std::string> chosen;
        for (const std::size_t unit : ReferenceMapping(labels, units)) chosen.push_back(units[unit].name);
        return chosen;
      };
      const auto python = expected.at("units").get<std::vector<std::string>>();
      CHECK(names(ReferenceOrder::kAsWritten) == python);
      CHECK(names(ReferenceOrder::kByName) ==
            (expected.contains("cpp_units") ? expected.at("cpp_units").get<std::vector<std::string>>() : python));
      ++pairs;
      different += expected.at("cpp_equal").get<bool>() ? 0 : 1;
    }
  }
  CHECK(pairs == 72);
  CHECK(different == 20);
}

TEST_CASE("The vanilla NeRF trace takes the cycles, power and area on eight configurations that the reference prints") {
  const auto golden = ReadGolden("schedules.json");
  if (!golden) return;
  const json& operators = golden->at("vanilla_trace_result").at("ops");
  for (const auto& [name, expected] : golden->at("cli_vanilla_nerf_trace").items()) {
    INFO(name);
    std::vector<ReferenceTask> tasks;
    std::map<std::string, std::uint32_t> index;
    for (std::size_t i = 0; i < operators.size(); ++i) {
      const std::string id = expected.at("ops")[i][0].get<std::string>();
      std::string label = expected.at("ops")[i][1].get<std::string>();
      index[id] = static_cast<std::uint32_t>(i);
      tasks.push_back({id, label, operators[i][3].get<std::int64_t>(), operators[i][4].get<std::int64_t>()});
    }
    ReferenceEdges edges;
    for (const json& edge : expected.at("edges")) edges.emplace_back(index.at(edge[0]), index.at(edge[1]));
    const auto report = ReferenceTraceSchedule(tasks, edges, Configuration(name));
    REQUIRE(report.ok());
    const ReferenceSchedule& schedule = report->schedule;
    CHECK(schedule.total_cycles == expected.at("total_cycles").get<std::int64_t>());
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const json& entry = expected.at("ops")[i];
      INFO(entry);
      CHECK(schedule.units[schedule.entries[i].unit].name == entry[2].get<std::string>());
      CHECK(schedule.entries[i].start == entry[3].get<std::int64_t>());
      CHECK(schedule.entries[i].duration == entry[4].get<std::int64_t>());
    }
    const json& derived = expected.at("derived");
    CHECK(report->power_uw == Close(expected.at("ppa").at("total_power_uw").get<double>()));
    CHECK(report->area_um2 == Close(expected.at("ppa").at("total_area_um2").get<double>()));
    CHECK(report->sram_area_um2 == Close(derived.at("sram_area_um2").get<double>()));
    CHECK(report->frame_time_s == Close(derived.at("frame_time_s").get<double>()));
    CHECK(report->frames_per_s == Close(derived.at("fps").get<double>()));
    CHECK(report->energy_j == Close(derived.at("energy_per_frame_j").get<double>()));
    CHECK(report->bytes == derived.at("total_io_bytes").get<std::int64_t>());
    CHECK(report->effective_bandwidth_gbps == Close(derived.at("effective_mem_bw_gb_s").get<double>()));
    CHECK(report->clock_mhz == Close(derived.at("target_frequency_mhz").get<double>()));
    CHECK(schedule.efficiency == Close(expected.at("stats").at("scheduling_efficiency").get<double>()));
    CHECK(schedule.balance ==
          Approx(expected.at("stats").at("resource_balance_factor").get<double>()).epsilon(1e-9).margin(1e-12));
    CHECK(schedule.longest_ready_queue == expected.at("stats").at("ready_queue_peak_size").get<std::int64_t>());
  }
}

// What its scheduler takes for an operator's inputs: those of the first stage of a composite, and the gradients alone
// of GradientCompute.
std::int64_t Inputs(const json& node) {
  const std::string label = node.at("label").get<std::string>();
  const std::int64_t a = node.at("input_a").get<std::int64_t>();
  if (label.rfind("GradientCompute", 0) == 0) return a;
  if (label == "FrustumCullProj") {
    const json& dim = node.at("dim");
    const std::int64_t gaussians =
        dim.size() == 1 ? dim[0].get<std::int64_t>() : dim[0].get<std::int64_t>() * dim[1].get<std::int64_t>();
    return 3 * gaussians + 16;
  }
  return a + node.at("input_w").get<std::int64_t>();
}

TEST_CASE("Pipelines take the cycles that the reference's C++ scheduler gives, cyclic graphs included") {
  const auto golden = ReadGolden("schedules.json");
  const auto pipelines = ReadGolden("pipelines.json");
  if (!golden || !pipelines) return;
  for (const auto& [pipeline, configurations] : golden->at("cpp_sched_pipelines").items()) {
    for (const auto& [configuration, kinds] : configurations.items()) {
      for (const auto& [kind, expected] : kinds.items()) {
        INFO(pipeline << " on " << configuration << ", " << kind);
        const auto& all = pipelines->at("pipelines");
        const std::string wanted = pipeline;
        const json dim = expected.at("dim");
        const auto graph = std::find_if(
            all.begin(), all.end(), [&](const json& p) { return p.at("pipeline") == wanted && p.at("dim") == dim; });
        REQUIRE(graph != all.end());
        std::vector<ReferenceTask> tasks;
        for (const json& node : graph->at("nodes")) {
          char id[16];
          std::snprintf(id, sizeof id, "n%02d", node.at("id").get<int>());
          tasks.push_back(
              {id, node.at("label").get<std::string>(), Inputs(node), node.at("output").get<std::int64_t>()});
        }
        const auto edges = graph->at("edges").get<ReferenceEdges>();
        const auto schedule =
            ReferencePipelineSchedule(tasks, edges, Configuration(configuration),
                                      kind == "dummy" ? ReferenceDuration::kDummy : ReferenceDuration::kAnalytical);
        REQUIRE(schedule.ok());
        CHECK(schedule->total_cycles == expected.at("total_cycles").get<std::int64_t>());
        CHECK(schedule->efficiency == Close(expected.at("efficiency").get<double>()));
        CHECK(schedule->balance == Approx(expected.at("balance").get<double>()).epsilon(1e-9).margin(1e-12));
        for (std::size_t i = 0; i < tasks.size(); ++i) {
          INFO(tasks[i].id << " " << tasks[i].label);
          CHECK(schedule->entries[i].start == expected.at("entries")[i][0].get<std::int64_t>());
          CHECK(schedule->entries[i].duration == expected.at("entries")[i][1].get<std::int64_t>());
        }
      }
    }
  }
}

}  // namespace
}  // namespace dvren::analysis
