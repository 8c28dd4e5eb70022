#include "dvren/analysis/hardware.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_join.h"
#include "analysis/core/nearest_name.h"
#include "analysis/json/checked_json.h"
#include "analysis/json/strict_object.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{1} << 20;
constexpr int kMostDepth = 8;  // ours need 4
constexpr std::int64_t kMostInstances = 1 << 20;

// Runs `read(object, element)` over the array `key`, which may be absent.
template <class Element, class Read>
absl::StatusOr<std::vector<Element>> ReadArray(StrictObject& object, const std::string& key, const Read& read) {
  std::vector<Element> elements;
  const json* array = object.Get(key);
  if (array == nullptr) return elements;
  if (!array->is_array()) return InvalidField(object.PathOf(key), ShowJson(*array), "must be an array");
  for (std::size_t i = 0; i < array->size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(StrictObject inner,
                           StrictObject::Of((*array)[i], absl::StrCat(object.PathOf(key), "[", i, "]")));
    Element element;
    DVREN_RETURN_IF_ERROR(read(inner, &element));
    DVREN_RETURN_IF_ERROR(inner.RefuseOthers());
    elements.push_back(std::move(element));
  }
  return elements;
}

absl::Status ReadRates(StrictObject& unit, Work* rates) {
  const json* value = unit.Get("rates_per_cycle");
  if (value == nullptr) return absl::OkStatus();
  DVREN_ASSIGN_OR_RETURN(StrictObject object, StrictObject::Of(*value, unit.PathOf("rates_per_cycle")));
  for (std::size_t i = 0; i < kWorkMeasures; ++i) {
    DVREN_ASSIGN_OR_RETURN(const std::optional<double> rate, object.OptionalPositive(WorkMeasureNames()[i]));
    (*rates)[i] = rate.value_or(0);
  }
  return object.RefuseOthers();
}

absl::Status ReadUnit(StrictObject& object, HardwareUnit* unit) {
  DVREN_ASSIGN_OR_RETURN(unit->name, object.Text("name"));
  DVREN_ASSIGN_OR_RETURN(unit->kind, object.Text("kind"));
  DVREN_ASSIGN_OR_RETURN(const std::optional<std::int64_t> count, object.OptionalInteger("count", 1, kMostInstances));
  if (!count) return absl::InvalidArgumentError(absl::StrCat(object.PathOf("count"), ": is missing; give it"));
  unit->count = *count;
  DVREN_RETURN_IF_ERROR(ReadRates(object, &unit->rates_per_cycle));
  DVREN_ASSIGN_OR_RETURN(unit->operators, object.TextsOrNone("operators"));
  DVREN_ASSIGN_OR_RETURN(unit->latency_cycles, object.OptionalInteger("latency_cycles", 0, std::int64_t{1} << 40));
  DVREN_ASSIGN_OR_RETURN(unit->clock_mhz, object.OptionalPositive("clock_mhz"));
  DVREN_ASSIGN_OR_RETURN(unit->area_um2, object.OptionalPositive("area_um2"));
  DVREN_ASSIGN_OR_RETURN(unit->power_uw, object.OptionalPositive("power_uw"));
  DVREN_ASSIGN_OR_RETURN(unit->memory_kb, object.OptionalPositive("memory_kb"));
  DVREN_ASSIGN_OR_RETURN(unit->energy_pj, object.OptionalPositive("energy_pj"));
  DVREN_ASSIGN_OR_RETURN(unit->static_power_uw, object.OptionalPositive("static_power_uw"));
  if (!unit->operators.empty() && !unit->HasRate()) {
    return absl::InvalidArgumentError(absl::StrCat(object.PathOf("rates_per_cycle"),
                                                   ": is missing; a unit that lists operators "
                                                   "needs one of ",
                                                   absl::StrJoin(WorkMeasureNames(), ", ")));
  }
  return absl::OkStatus();
}

absl::Status ReadSram(StrictObject& object, SramBlock* block) {
  DVREN_ASSIGN_OR_RETURN(block->name, object.Text("name"));
  DVREN_ASSIGN_OR_RETURN(block->size, object.Positive("size"));
  DVREN_ASSIGN_OR_RETURN(block->unit, object.Text("unit"));
  if (block->unit != "KB" && block->unit != "MB")
    return InvalidField(object.PathOf("unit"), block->unit, "must be KB or MB");
  return absl::OkStatus();
}

absl::Status ReadPublished(StrictObject& object, PublishedFigure* figure) {
  DVREN_ASSIGN_OR_RETURN(figure->figure, object.Text("figure"));
  DVREN_ASSIGN_OR_RETURN(figure->value, object.Positive("value"));
  DVREN_ASSIGN_OR_RETURN(figure->unit, object.Text("unit"));
  DVREN_ASSIGN_OR_RETURN(figure->source, object.Text("source"));
  return absl::OkStatus();
}

absl::Status ReadMemory(StrictObject& object, HardwareMemory* memory) {
  const json* value = object.Get("memory");
  if (value == nullptr) return absl::OkStatus();
  DVREN_ASSIGN_OR_RETURN(StrictObject inner, StrictObject::Of(*value, object.PathOf("memory")));
  DVREN_ASSIGN_OR_RETURN(memory->kind, inner.OptionalText("kind"));
  DVREN_ASSIGN_OR_RETURN(memory->bandwidth_gbps, inner.OptionalPositive("bandwidth_gbps"));
  DVREN_ASSIGN_OR_RETURN(memory->energy_pj_per_byte, inner.OptionalPositive("energy_pj_per_byte"));
  return inner.RefuseOthers();
}

absl::Status ReadReference(StrictObject& object, Hardware* hardware) {
  ReferenceReading& reading = hardware->reference;
  reading = {hardware->name, hardware->memory.bandwidth_gbps, hardware->clock_mhz};
  const json* value = object.Get("reference");
  if (value == nullptr) return absl::OkStatus();
  DVREN_ASSIGN_OR_RETURN(StrictObject inner, StrictObject::Of(*value, object.PathOf("reference")));
  DVREN_ASSIGN_OR_RETURN(reading.accelerator_name, inner.Text("accelerator_name"));
  DVREN_ASSIGN_OR_RETURN(reading.bandwidth_gbps, inner.OptionalPositive("bandwidth_gbps"));
  DVREN_ASSIGN_OR_RETURN(reading.clock_mhz, inner.OptionalPositive("clock_mhz"));
  return inner.RefuseOthers();
}

absl::Status CheckUnits(const Hardware& hardware, absl::string_view where) {
  if (hardware.units.empty())
    return absl::InvalidArgumentError(absl::StrCat(where, ": units: is missing or empty; give one"));
  std::set<std::string> names;
  for (const HardwareUnit& unit : hardware.units) {
    if (!names.insert(unit.name).second)
      return InvalidField(absl::StrCat(where, ": units.name"), unit.name, "is there twice");
  }
  if (hardware.general_unit.empty()) return absl::OkStatus();
  const HardwareUnit* general = hardware.Find(hardware.general_unit);
  if (general == nullptr) {
    return InvalidField(absl::StrCat(where, ": general_unit"), hardware.general_unit,
                        absl::StrCat("is no unit", NearestHint(hardware.general_unit, {names.begin(), names.end()})));
  }
  if (!general->HasRate()) {
    return InvalidField(absl::StrCat(where, ": general_unit"), hardware.general_unit, "needs rates_per_cycle");
  }
  return absl::OkStatus();
}

}  // namespace

bool HardwareUnit::HasRate() const {
  return std::any_of(rates_per_cycle.begin(), rates_per_cycle.end(), [](double rate) { return rate > 0; });
}

const HardwareUnit* Hardware::Find(absl::string_view unit) const {
  const auto found = std::find_if(units.begin(), units.end(), [&](const HardwareUnit& u) { return u.name == unit; });
  return found == units.end() ? nullptr : &*found;
}

std::optional<double> Hardware::SramKilobytes() const {
  if (sram.empty()) return std::nullopt;
  double sum = 0;
  for (const SramBlock& block : sram) sum += block.kilobytes();
  return sum;
}

std::optional<double> Hardware::AreaMm2(std::vector<std::string>* unset) const {
  double sum = 0;
  bool any = false;
  for (const HardwareUnit& unit : units) {
    if (!unit.area_um2) {
      unset->push_back(absl::StrCat("units.", unit.name, ".area_um2"));
      continue;
    }
    any = true;
    sum += *unit.area_um2 * (figures_are_totals ? 1.0 : static_cast<double>(unit.count));
  }
  if (!any) return std::nullopt;
  return sum * 1e-6;
}

absl::StatusOr<Hardware> ParseHardware(absl::string_view text, absl::string_view where) {
  DVREN_ASSIGN_OR_RETURN(const json value, ParseCheckedJson(text, where, kMostBytes, kMostDepth));
  DVREN_ASSIGN_OR_RETURN(StrictObject object, StrictObject::Of(value, std::string(where)));
  Hardware hardware;
  DVREN_ASSIGN_OR_RETURN(hardware.name, object.Text("name"));
  DVREN_ASSIGN_OR_RETURN(hardware.source, object.Text("source"));
  DVREN_ASSIGN_OR_RETURN(hardware.notes, object.TextsOrNone("notes"));
  DVREN_ASSIGN_OR_RETURN(hardware.technology_nm, object.OptionalPositive("technology_nm"));
  DVREN_ASSIGN_OR_RETURN(hardware.clock_mhz, object.OptionalPositive("clock_mhz"));
  DVREN_RETURN_IF_ERROR(ReadMemory(object, &hardware.memory));
  DVREN_ASSIGN_OR_RETURN(hardware.sram, ReadArray<SramBlock>(object, "sram", ReadSram));
  DVREN_ASSIGN_OR_RETURN(hardware.units, ReadArray<HardwareUnit>(object, "units", ReadUnit));
  DVREN_ASSIGN_OR_RETURN(const std::optional<std::string> general, object.OptionalText("general_unit"));
  hardware.general_unit = general.value_or("");
  DVREN_ASSIGN_OR_RETURN(hardware.figures_are_totals, object.FlagOrFalse("figures_are_totals"));
  DVREN_ASSIGN_OR_RETURN(hardware.published, ReadArray<PublishedFigure>(object, "published", ReadPublished));
  DVREN_RETURN_IF_ERROR(ReadReference(object, &hardware));
  DVREN_RETURN_IF_ERROR(object.RefuseOthers());
  DVREN_RETURN_IF_ERROR(CheckUnits(hardware, where));
  return hardware;
}

absl::StatusOr<Hardware> ReadHardware(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return absl::NotFoundError(absl::StrCat("hardware = ", io::Printable(path), ": cannot be read; name a JSON file"));
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad())
    return absl::UnavailableError(absl::StrCat("hardware = ", io::Printable(path), ": cannot be read to its end"));
  text.resize(static_cast<std::size_t>(file.gcount()));
  const std::size_t slash = path.find_last_of('/');
  return ParseHardware(text, io::Printable(slash == std::string::npos ? path : path.substr(slash + 1)));
}

}  // namespace dvren::analysis
