// Descriptions of hardware: what is read, and what is refused by name.
#include "dvren/analysis/hardware.h"

#include <catch2/catch.hpp>
#include <filesystem>

namespace dvren::analysis {
namespace {

std::string Error(const std::string& json) {
  return std::string(ParseHardware(json, "x.json").status().message());
}

// A description with `unit` in place of its only unit, and `rest` after it.
std::string With(const std::string& unit, const std::string& rest = "") {
  return R"({"name": "x", "source": "test", "units": [)" + unit + "]" + (rest.empty() ? "" : ", " + rest) + "}";
}
const std::string kUnit =
    R"({"name": "mac", "kind": "FIELD", "count": 2, "rates_per_cycle": {"fma": 4}, "operators": ["MLP"]})";

TEST_CASE("Fields that are not stated stay unset") {
  const auto hardware = ParseHardware(With(kUnit), "x.json");
  REQUIRE(hardware.ok());
  CHECK_FALSE(hardware->clock_mhz.has_value());
  CHECK_FALSE(hardware->memory.bandwidth_gbps.has_value());
  CHECK_FALSE(hardware->SramKilobytes().has_value());
  CHECK_FALSE(hardware->units[0].area_um2.has_value());
  std::vector<std::string> unset;
  CHECK_FALSE(hardware->AreaMm2(&unset).has_value());
  CHECK(unset == std::vector<std::string>{"units.mac.area_um2"});
}

TEST_CASE("Area counts every instance, unless the figures are totals") {
  const std::string unit = R"({"name": "mac", "kind": "FIELD", "count": 4, "area_um2": 250000})";
  std::vector<std::string> unset;
  CHECK(*ParseHardware(With(unit), "x")->AreaMm2(&unset) == Approx(1.0));
  CHECK(*ParseHardware(With(unit, R"("figures_are_totals": true)"), "x")->AreaMm2(&unset) == Approx(0.25));
  CHECK(unset.empty());
}

TEST_CASE("A megabyte of SRAM is 1024 kilobytes") {
  const auto hardware = ParseHardware(
      With(kUnit, R"("sram": [{"name": "a", "size": 1.5, "unit": "MB"}, {"name": "b", "size": 4, "unit": "KB"}])"),
      "x");
  REQUIRE(hardware.ok());
  CHECK(*hardware->SramKilobytes() == 1540);
}

TEST_CASE("What is missing, unknown or out of range is refused with field, value and remedy") {
  CHECK(Error("[]") == "x.json = an array of 0: must be an object, {…}");
  CHECK(Error(R"({"source": "test"})") == "x.json.name: is missing; give it");
  CHECK(Error(R"({"name": "x", "source": "test"})") == "x.json: units: is missing or empty; give one");
  CHECK(Error(With(R"({"name": "mac", "kind": "FIELD"})")) == "x.json.units[0].count: is missing; give it");
  CHECK(Error(With(R"({"name": "mac", "kind": "FIELD", "count": 0})")) ==
        "x.json.units[0].count = 0: must be an integer from 1 to 1048576");
  CHECK(Error(With(R"({"name": "mac", "kind": "FIELD", "count": 1.5})")) ==
        "x.json.units[0].count = 1.5: must be an integer from 1 to 1048576");
  CHECK(Error(With(R"({"name": "mac", "kind": "FIELD", "count": 1, "rates_per_cycle": {"fma": -4}})")) ==
        "x.json.units[0].rates_per_cycle.fma = -4: must be finite and above 0; leave it out where unknown");
  CHECK(Error(With(R"({"name": "mac", "kind": "FIELD", "count": 1, "rates_per_cycle": {"fma": "NaN"}})")) ==
        "x.json.units[0].rates_per_cycle.fma = \"NaN\": must be a number above 0; leave it out where unknown");
  CHECK(Error(With(R"({"name": "mac", "kind": "FIELD", "count": 1, "rates_per_cycle": {"fmas": 4}})")) ==
        "x.json.units[0].rates_per_cycle.fmas = 4: is no known key; nearest is fma");
  CHECK(Error(With(R"({"name": "mac", "kind": "FIELD", "count": 1, "operators": ["MLP"]})"))
            .find("x.json.units[0].rates_per_cycle: is missing; a unit that lists operators needs one of fma, ") == 0);
  CHECK(Error(With(kUnit + "," + kUnit)) == "x.json: units.name = mac: is there twice");
  CHECK(Error(With(kUnit, R"("clock": 4)")) == "x.json.clock = 4: is no known key; nearest is clock_mhz");
  CHECK(Error(With(kUnit, R"("general_unit": "mca")")) == "x.json: general_unit = mca: is no unit; nearest is mac");
  CHECK(Error(With(kUnit, R"("sram": [{"name": "a", "size": 4, "unit": "kB"}])")) ==
        "x.json.sram[0].unit = kB: must be KB or MB");
  CHECK(Error(With(kUnit, R"("memory": {"bandwidth_gbps": 0})")) ==
        "x.json.memory.bandwidth_gbps = 0: must be finite and above 0; leave it out where unknown");
  CHECK(Error(With(kUnit, R"("name": "y")")) == "x.json: name: is there twice; keep one");
}

TEST_CASE("NaN and infinite rates are no JSON, and numbers past double are refused") {
  CHECK(Error(R"({"name": NaN})").find("x.json: is not JSON (which has no NaN or Infinity): ") == 0);
  CHECK(Error(R"({"name": 1e999})").find("x.json: is not JSON (which has no NaN or Infinity): ") == 0);
  CHECK(Error(std::string(100, '[')).find("x.json: ") == 0);
}

TEST_CASE("Every file of configs/hardware is accepted and runs the operators it lists at a rate") {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::string(DVREN_SOURCE_DIR) + "/configs/hardware")) {
    const auto hardware = ReadHardware(file.path().string());
    INFO(file.path().filename().string() << ": " << hardware.status().message());
    REQUIRE(hardware.ok());
    CHECK(hardware->name == file.path().stem().string());
    for (const HardwareUnit& unit : hardware->units) {
      CHECK((unit.operators.empty() || unit.HasRate()));
      CHECK((!unit.HasRate() || unit.clock_mhz || hardware->clock_mhz));
    }
    ++files;
  }
  CHECK(files >= 8);
}

TEST_CASE("A file that is not there is NOT_FOUND") {
  CHECK(ReadHardware("/no/such.json").status().code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace dvren::analysis
