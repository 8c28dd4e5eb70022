// A dense grid in world units: what files hold that know no activation.
#pragma once

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

// Density of a raw value in double precision, as hp_activation says; INFINITY where exp leaves a double's range.
[[nodiscard]] double DensityOf(Activation activation, double raw);

// The same grid with activation identity: f32, each voxel's density made of its own raw value, colours as they are.
// Between voxels densities are then interpolated where raw values were. A grid without activation comes back as it is.
// INVALID_ARGUMENT for what CheckDense refuses, before and after (a density beyond f32 is infinite).
[[nodiscard]] absl::StatusOr<DenseVolume> WithDensities(const DenseVolume& volume, absl::string_view name);

}  // namespace dvren::io
