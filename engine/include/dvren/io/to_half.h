// ToHalf: a dense grid of f32 values as one of f16.
#pragma once

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

// Each value the nearest f16, ties to even. OUT_OF_RANGE names the first one that is 65520 or more, or not a number;
// INVALID_ARGUMENT where the values are not f32.
[[nodiscard]] absl::StatusOr<DenseVolume> ToHalf(const DenseVolume& grid);

}  // namespace dvren::io
