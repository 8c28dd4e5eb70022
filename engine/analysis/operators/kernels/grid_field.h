// A grid field as the daemon's kernels read it: sizes, and the work of one trilinear sample and of its adjoint.
#pragma once

#include "analysis/operators/volume_compositing.h"

namespace dvren::analysis {

[[nodiscard]] inline std::vector<ParameterSpec> GridFieldParameters() {
  ParameterSpec resolution;
  resolution.name = "resolution";
  resolution.type = ParameterSpec::Type::kIntegers;
  resolution.default_value = std::vector<std::int64_t>{128, 128, 128};
  resolution.entries = 3;
  resolution.meaning = "voxels in x, y, z (of a sparse field: of its box)";
  return {Choice("field", "dense", {"dense", "nanovdb"}, "kind of field"),
          PositiveInteger("channels", 4, "1 density; 4 colour and density; 3(L+1)^2 + 1 with harmonics of degree L"),
          resolution, Ratio("occupancy", 1, "share of the voxels that are stored; sparse fields store less than all"),
          ActiveRatio()};
}

// (L+1)² of a field with spherical harmonics, else 0; -1 where no L fits.
[[nodiscard]] inline std::int64_t Harmonics(std::int64_t channels) {
  if (channels == 1 || channels == 4) return 0;
  for (std::int64_t root = 2; root <= 4; ++root) {
    if (channels == 3 * root * root + 1) return root * root;
  }
  return -1;
}

[[nodiscard]] inline absl::Status CheckGridField(const std::string& owner, const Parameters& parameters) {
  const std::int64_t channels = parameters.Integer("channels");
  if (Harmonics(channels) < 0) return InvalidField(owner + ".channels", channels, "one of 1, 4, 13, 28, 49");
  if (parameters.Text("field") == "nanovdb" && channels != 1) {
    return InvalidField(owner + ".channels", channels, "a nanovdb field has 1: its density");
  }
  return absl::OkStatus();
}

[[nodiscard]] inline Count StoredVoxels(const Parameters& parameters) {
  const std::vector<std::int64_t>& n = parameters.Integers("resolution");
  return Count(n[0]) * n[1] * n[2] * Count(parameters.Real("occupancy"));
}

[[nodiscard]] inline Count StoredValues(const Parameters& parameters) {
  return StoredVoxels(parameters) * parameters.Integer("channels");
}

// Different values that S samples of 8 corners read, at most.
[[nodiscard]] inline Count TouchedValues(const OperatorCase& c) {
  return Min(StoredVoxels(c.parameters), 8 * ActiveSamples(c)) * c.Integer("channels");
}

inline void AddGridSample(const OperatorCase& c, CorrectedFigures& figures) {
  const Count samples = ActiveSamples(c);
  const Count channels = c.Integer("channels");
  const Count harmonics = Harmonics(c.parameters.Integer("channels"));
  const bool sparse = c.parameters.Text("field") == "nanovdb";
  WorkCount& work = figures.work;
  work.fma += (5 + 7 * channels + 3 * harmonics) * samples;
  work.add += (3 + 7 * channels) * samples;
  work.mul += samples;
  work.compare += (6 + (sparse ? 2 : 0)) * samples;
  work.integer += (5 + (sparse ? 32 : 0)) * samples;
  work.gather_bytes += c.Bytes(8 * channels * samples);
  figures.formulas.push_back(
      {"grid.sample",
       "per active sample: place 2 fma, position 3 fma, clamp 6 compare, cell and index 5 integer, "
       "fraction 3 sub; 7 lerps (1 sub, 1 fma) of 8 corners per channel; density times its scale 1 "
       "mul; harmonics 3 fma per function"});
  if (sparse) {
    figures.formulas.push_back({"grid.tree",
                                "a sparse field: 3 tree levels of mask, offset and bounds 24 integer and 2 "
                                "compare, 8 corner offsets; neighbours mostly share the leaf"});
  }
}

// Every gradient of a corner is added to an int64 sum: read, added, written, 8 bytes each, whatever the field's width.
inline void AddGridScatter(const OperatorCase& c, CorrectedFigures& figures) {
  const Count updates = 8 * ActiveSamples(c) * c.Integer("channels");
  WorkCount& work = figures.work;
  work.mul += updates + 12 * ActiveSamples(c);
  work.integer += 2 * updates;
  work.integer_bytes += 16 * updates;
  work.footprint_bytes += 8 * TouchedValues(c);
  figures.collision_factor = std::max(1.0, updates.real() / TouchedValues(c).real());
  figures.formulas.push_back({"grid.scatter",
                              "the adjoint of the sample: 8 weights 12 mul, per corner and channel 1 mul, 1 "
                              "conversion and 1 addition in int64 fixed point (read and written, 8 bytes); "
                              "collision factor = updates over different values"});
}

}  // namespace dvren::analysis
