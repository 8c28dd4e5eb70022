// Regularisers by name: what is added to the data term of the loss, each with a weight of its own. Tests loop over
// them: one that is added here needs its formula in tests/unit/train/reference/regularisers.py.
#pragma once

#include <array>

#include "dvren/train/training_spec.h"

namespace dvren {

struct Regulariser {
  const char* name;  // its key in a recipe, below `regularisers`
  double RegulariserSpec::*weight;
};

inline constexpr std::array<Regulariser, 4> kRegularisers{{
    {"tv_density", &RegulariserSpec::tv_density},
    {"tv_color", &RegulariserSpec::tv_color},
    {"sparsity", &RegulariserSpec::sparsity},
    {"distortion", &RegulariserSpec::distortion},
}};

}  // namespace dvren
