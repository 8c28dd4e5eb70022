// What a workload is mapped onto: the units of an accelerator, its clock, memory, SRAM, area and energy. A description
// is a JSON file below configs/hardware; a field that nobody published stays unset, and whatever would have needed it
// says so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "dvren/analysis/work_measure.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

// One kind of unit, of which there are `count` alike.
struct HardwareUnit {
  std::string name;
  std::string kind;  // "ENCODING", "FIELD_COMPUTATION", …: what the first implementation's mapping goes by
  std::int64_t count = 1;
  // Work that one instance does in one of its own cycles, by measure; 0 where it has no rate. An operator takes the sum
  // over the measures of its work by the rate.
  Work rates_per_cycle{};
  std::vector<std::string> operators;  // op_types that it is built for
  std::optional<std::int64_t> latency_cycles;
  std::optional<double> clock_mhz;
  std::optional<double> area_um2;         // of one instance, or of all: Hardware::figures_are_totals
  std::optional<double> power_uw;         // while busy; ditto
  std::optional<double> memory_kb;        // of 1024 bytes, inside one instance
  std::optional<double> energy_pj;        // dynamic, per unit of work of its first rate
  std::optional<double> static_power_uw;  // whether busy or not; as area

  [[nodiscard]] bool HasRate() const;
};

struct HardwareMemory {
  std::optional<std::string> kind;
  std::optional<double> bandwidth_gbps;  // 10⁹ bytes per second, shared by all units
  std::optional<double> energy_pj_per_byte;
};

struct SramBlock {
  std::string name;
  double size = 0;
  std::string unit;  // "KB" (1024 bytes) or "MB"
  [[nodiscard]] double kilobytes() const { return unit == "MB" ? size * 1024 : size; }
};

// A figure that its authors published, for a comparison with what the model makes of the same configuration.
struct PublishedFigure {
  std::string figure;  // "power"
  double value = 0;
  std::string unit;  // "mW"
  std::string source;
};

// What the first implementation reads in its file for this accelerator where that differs from what the file says.
struct ReferenceReading {
  std::string accelerator_name;
  std::optional<double> bandwidth_gbps;
  std::optional<double> clock_mhz;
};

struct Hardware {
  std::string name;
  std::string source;
  std::vector<std::string> notes;
  std::optional<double> technology_nm;
  std::optional<double> clock_mhz;  // of the schedule's cycles; unset: each unit's own clock alone counts
  HardwareMemory memory;
  std::vector<SramBlock> sram;  // empty: unknown
  std::vector<HardwareUnit> units;
  std::string general_unit;         // the unit that runs what no unit lists, or empty
  bool figures_are_totals = false;  // area and power of a unit are those of all its instances together
  std::vector<PublishedFigure> published;
  ReferenceReading reference;

  [[nodiscard]] const HardwareUnit* Find(absl::string_view unit) const;
  [[nodiscard]] std::optional<double> SramKilobytes() const;  // unset where there are no blocks
  // mm², by the units that state one; the names of those that do not go to `unset`.
  [[nodiscard]] std::optional<double> AreaMm2(std::vector<std::string>* unset) const;
};

// A description from JSON text. `where` names it in messages. INVALID_ARGUMENT names the field, its value and the
// remedy: an unknown key (with the nearest known), a missing one, a wrong type, a rate, size or count that is not above
// 0.
[[nodiscard]] absl::StatusOr<Hardware> ParseHardware(absl::string_view json, absl::string_view where);
// A file of at most 1 MiB. NOT_FOUND where there is none.
[[nodiscard]] absl::StatusOr<Hardware> ReadHardware(const std::string& path);

}  // namespace dvren::analysis
