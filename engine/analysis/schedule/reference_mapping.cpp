#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "dvren/analysis/reference_schedule.h"

namespace dvren::analysis {
namespace {

constexpr double kDefaultMhz = 1000;
constexpr absl::string_view kBackward = " (B)";

// Kinds of units to try for a label, in order. The keys are names of the taxonomy, which only some labels carry: that
// is why most operators of the NeRF pipelines end on the MLP engine.
const std::map<std::string, std::vector<std::string>>& Fallbacks() {
  static const std::map<std::string, std::vector<std::string>> table = {
      {"SAMPLING", {"VOLUME_RENDERING", "FIELD_COMPUTATION"}},
      {"BLENDING", {"VOLUME_RENDERING", "BLENDING"}},
      {"RAY_TRACING", {"VOLUME_RENDERING", "FIELD_COMPUTATION"}},
      {"HASH_ENCODE", {"HASH_ENCODE", "POSITIONAL_ENCODE", "FIELD_COMPUTATION"}},
      {"POSITIONAL_ENCODE", {"POSITIONAL_ENCODE", "HASH_ENCODE", "FIELD_COMPUTATION"}},
      {"MLP", {"MLP", "FIELD_COMPUTATION"}},
      {"POSITIONAL_ENCODING", {"POSITIONAL_ENCODE", "FIELD_COMPUTATION"}},
      {"MLP_COMPUTATION", {"MLP", "FIELD_COMPUTATION"}},
      {"VOLUME_RENDERING", {"VOLUME_RENDERING", "BLENDING"}},
      {"RGB_VOLUME_RENDERING", {"VOLUME_RENDERING", "BLENDING"}},
      {"TILEMERGING", {"TILEMERGING", "BLENDING", "FIELD_COMPUTATION"}},
      {"FEATURECOMPUTE", {"FEATURECOMPUTE", "FIELD_COMPUTATION"}},
      {"GRADIENTCOMPUTE", {"GRADIENTCOMPUTE", "GRADIENT_ACCUMULATION", "FIELD_COMPUTATION"}},
      {"GRADIENTPRUNING", {"GRADIENTPRUNING", "OPTIMIZATION"}},
      {"REARRANGEMENT", {"REARRANGEMENT", "OPTIMIZATION"}},
      {"ROWPROCESSING", {"ROWPROCESSING", "FIELD_COMPUTATION"}},
      {"ROWGENERATION", {"ROWGENERATION", "ENCODING"}},
      {"DECOMPBINNING", {"DECOMPBINNING", "OPTIMIZATION"}},
      {"FRM", {"FRM", "HASH_ENCODE", "ENCODING"}},
      {"BUM", {"BUM", "GRADIENT_ACCUMULATION", "OPTIMIZATION"}},
      {"MLP (B)", {"MLP", "FIELD_COMPUTATION"}},
      {"HASH_ENCODE (B)", {"HASH_ENCODE", "BUM", "ENCODING"}},
      {"HASHENCODING (B)", {"HASH_ENCODE", "BUM", "ENCODING"}},
      {"BLENDING (B)", {"BLENDING", "GRADIENTCOMPUTE", "VOLUME_RENDERING"}},
      {"GAUSSIANALPHABLEND (B)", {"GRADIENTCOMPUTE", "BLENDING"}},
      {"RGBRENDERER (B)", {"VOLUME_RENDERING", "BLENDING"}},
      {"DENSITYRENDERER (B)", {"VOLUME_RENDERING", "BLENDING"}},
      {"UNKNOWN", {"FIELD_COMPUTATION", "VOLUME_RENDERING", "POSITIONAL_ENCODE"}},
  };
  return table;
}

const std::vector<std::string>& LastResort() {
  static const std::vector<std::string> kinds = {"GENERIC", "FIELD_COMPUTATION", "ENCODING"};
  return kinds;
}

}  // namespace

std::vector<ReferenceUnit> ReferenceUnits(const Hardware& hardware, ReferenceOrder order) {
  std::vector<const HardwareUnit*> modules;
  for (const HardwareUnit& unit : hardware.units) modules.push_back(&unit);
  if (order == ReferenceOrder::kByName) {
    std::sort(modules.begin(), modules.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  }
  std::vector<ReferenceUnit> units;
  for (const HardwareUnit* module : modules) {
    const auto rate =
        std::find_if(module->rates_per_cycle.begin(), module->rates_per_cycle.end(), [](double r) { return r > 0; });
    const double operations_per_cycle = rate == module->rates_per_cycle.end() ? 1 : *rate;
    for (std::int64_t i = 0; i < module->count; ++i) {
      ReferenceUnit unit;
      unit.name = module->count == 1 ? module->name : absl::StrCat(module->name, "_", i);
      unit.kind = module->kind;
      unit.throughput = operations_per_cycle * module->clock_mhz.value_or(kDefaultMhz) * 1e6;
      unit.latency_cycles = module->latency_cycles.value_or(0);
      unit.area_um2 = module->area_um2.value_or(0);
      unit.power_uw = module->power_uw.value_or(0);
      unit.memory_kb = module->memory_kb.value_or(0);
      units.push_back(std::move(unit));
    }
  }
  return units;
}

std::vector<std::size_t> ReferenceMapping(const std::vector<std::string>& labels,
                                          const std::vector<ReferenceUnit>& units) {
  std::map<std::string, std::size_t> first_of_kind;
  for (std::size_t i = 0; i < units.size(); ++i) first_of_kind.emplace(units[i].kind, i);
  const auto first_of = [&](const std::vector<std::string>& kinds) {
    for (const std::string& kind : kinds) {
      if (const auto found = first_of_kind.find(kind); found != first_of_kind.end()) return found->second;
    }
    return units.size();
  };
  std::vector<std::size_t> mapping;
  for (const std::string& written : labels) {
    const std::string label = absl::AsciiStrToUpper(written);
    const std::string base(absl::EndsWith(label, kBackward) ? label.substr(0, label.size() - kBackward.size()) : label);
    std::size_t unit = first_of({label, base});
    const auto of_label = Fallbacks().find(label);
    const auto of_base = Fallbacks().find(base);
    if (unit == units.size() && of_label != Fallbacks().end()) unit = first_of(of_label->second);
    if (unit == units.size() && of_base != Fallbacks().end()) unit = first_of(of_base->second);
    if (unit == units.size()) unit = first_of(LastResort());
    mapping.push_back(unit == units.size() ? 0 : unit);
  }
  return mapping;
}

}  // namespace dvren::analysis
