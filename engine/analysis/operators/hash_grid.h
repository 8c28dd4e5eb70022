// The multiresolution hash grid (Müller et al. 2022): its parameters, levels and sizes, for the hash operators.
#pragma once

#include <cmath>
#include <vector>

#include "analysis/operators/figures.h"

namespace dvren::analysis {

[[nodiscard]] inline std::vector<ParameterSpec> HashGridParameters() {
  ParameterSpec dimensions = PositiveInteger("input_dim", 3, "coordinates of a position");
  dimensions.greatest = 16;
  ParameterSpec levels = PositiveInteger("num_levels", 16, "levels");
  levels.greatest = 65'536;
  ParameterSpec table = PositiveInteger("log2_hashmap_size", 19, "log2 of the entries of a level's table");
  ParameterSpec interpolation = Optional(Choice("interpolation", "Linear", {"Linear", "Nearest"},
                                                "Linear (also when unset) reads 2^input_dim corners, Nearest one"));
  return {dimensions,
          levels,
          PositiveInteger("min_res", 16, "cells per axis of the coarsest level"),
          PositiveInteger("max_res", 1024, "cells per axis of the finest level"),
          table,
          PositiveInteger("features_per_level", 2, "features of an entry"),
          PositiveReal("hash_init_scale", 0.001, "changes no figure"),
          Text("implementation", "tcnn", "changes no figure"),
          interpolation,
          ActiveRatio()};
}

// Corrected mode: what stays between neighbouring accesses.
[[nodiscard]] inline ParameterSpec Reuse() {
  return CorrectedOnly(
      Choice("reuse", "none", {"none", "ray", "ordered"},
             "none: every corner is an access; ray: the corners that successive samples of a ray share "
             "are one access; ordered: each different entry is one access (points sorted by cell)"));
}

// Corrected mode: indices, weights and corner features stay in registers between the three stages.
[[nodiscard]] inline ParameterSpec Fused(bool fused) {
  return CorrectedOnly(Flag("fused", fused, "intermediate tensors stay in registers"));
}

[[nodiscard]] inline ParameterSpec PositionGradient() {
  return CorrectedOnly(Flag("position_gradient", false, "backward: the gradient of positions as well"));
}

[[nodiscard]] inline absl::Status CheckHashGrid(const std::string& owner, const Parameters& parameters) {
  if (parameters.Integer("max_res") >= parameters.Integer("min_res")) return absl::OkStatus();
  return InvalidField(owner + ".max_res", parameters.Integer("max_res"), "must be >= min_res");
}

[[nodiscard]] inline Count PowerOfTwo(std::int64_t exponent) {
  return exponent < 63 ? Count(std::int64_t{1} << exponent) : Count(1) / Count(0);
}

[[nodiscard]] inline Count Corners(const Parameters& parameters) {
  const bool nearest = parameters.IsSet("interpolation") && parameters.Text("interpolation") == "Nearest";
  return nearest ? Count(1) : PowerOfTwo(parameters.Integer("input_dim"));
}

struct HashLevel {
  double resolution = 0;  // cells per axis
  bool dense = false;     // every corner has an entry of its own
  Count entries;
};

// resolution_l = floor(min_res·b^l), b = (max_res/min_res)^(1/(L-1)); a level is dense where its (resolution+1)^D
// corners fit into the table: the hash then is the plain linear index.
[[nodiscard]] inline std::vector<HashLevel> HashLevels(const Parameters& parameters) {
  const std::int64_t count = parameters.Integer("num_levels");
  const double coarsest = static_cast<double>(parameters.Integer("min_res"));
  const double finest = static_cast<double>(parameters.Integer("max_res"));
  const double growth = count > 1 ? std::exp(std::log(finest / coarsest) / static_cast<double>(count - 1)) : 1;
  const Count table = PowerOfTwo(parameters.Integer("log2_hashmap_size"));
  std::vector<HashLevel> levels;
  for (std::int64_t l = 0; l < count; ++l) {
    // The last level is max_res itself; the power may fall short of it by rounding.
    const double power = coarsest * std::pow(growth, static_cast<double>(l));
    HashLevel level;
    level.resolution = std::floor(power * (1 + 1e-12));
    const double corners = std::pow(level.resolution + 1, static_cast<double>(parameters.Integer("input_dim")));
    level.dense = corners <= table.real();
    level.entries = level.dense ? Count(corners) : table;
    levels.push_back(level);
  }
  return levels;
}

[[nodiscard]] inline Count TableParameters(const Parameters& parameters) {
  Count entries = 0;
  for (const HashLevel& level : HashLevels(parameters)) entries += level.entries;
  return entries * parameters.Integer("features_per_level");
}

// Accesses of table entries by S active samples.
struct HashAccesses {
  Count all;     // corners · L · S
  Count issued;  // after reuse
  Count unique;  // entries touched, at most: min(entries, corners·S) summed over levels
};

[[nodiscard]] inline HashAccesses CountAccesses(const OperatorCase& c) {
  const Parameters& p = c.parameters;
  const Count samples = ActiveSamples(c);
  const Count corners = Corners(p);
  const std::string& reuse = p.Text("reuse");
  HashAccesses accesses;
  for (const HashLevel& level : HashLevels(p)) {
    const Count all = corners * samples;
    const Count unique = Min(level.entries, all);
    Count issued = all;
    if (reuse == "ordered") {
      issued = unique;
    } else if (reuse == "ray") {
      // A ray of N samples crosses at most min(N, resolution) cells of a box of edge 1; each further cell shares a
      // face, and so half of its corners, with the one before.
      const Count per_ray = c.samples * Count(p.Real("active_ratio"));
      const Count cells = Max(1, Min(per_ray, level.resolution));
      issued = Min(all, c.rays * (corners + (cells - 1) * corners / 2));
    }
    accesses.all += all;
    accesses.issued += issued;
    accesses.unique += unique;
  }
  return accesses;
}

}  // namespace dvren::analysis
