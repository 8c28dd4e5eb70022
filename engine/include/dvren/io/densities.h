// Densities of a dense grid: what files hold that know no activation.
#pragma once

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

// Density of a raw value in double precision, as hp_activation says; INFINITY where exp leaves a double's range.
[[nodiscard]] double DensityOf(Activation activation, double raw);

// Density of that raw value or less is 0 after softplus, exp and trunc_exp: nothing is there.
inline constexpr float kNothingRaw = -1e4f;

// Densities in 1/world unit, f32, one channel, over the same box, identity. An activation other than that makes a curve
// of what is interpolated between voxels, so that the grid becomes `refine` (1, 2, 4) times finer, each value made of
// the raw value interpolated there; with identity it stays as fine as it is. INVALID_ARGUMENT for what CheckDense
// refuses, before and after (a density beyond f32 is infinite); RESOURCE_EXHAUSTED where there is no memory for it.
[[nodiscard]] absl::StatusOr<DenseVolume> DensitiesOf(const DenseVolume& volume, int refine, absl::string_view name);

}  // namespace dvren::io
