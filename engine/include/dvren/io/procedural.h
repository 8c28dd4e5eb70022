// Sample volumes made by code, for demos, benches and tests where no file is at hand.
#pragma once

#include <cstdint>

#include "dvren/io/volume.h"

namespace dvren::io {

// A cumulus cloud: billows of fractal noise over a few overlapping lobes with a flat base. n^3 voxels of f32 sigma in
// [0, 1], exactly 0 outside the cloud, y up, box [-10, 10]^3 in world units (so that it is well opaque at sigma scale
// 1). The same n and seed give the same bits on every machine with IEEE floats. Throws nothing; n is clamped to [8,
// 1024].
[[nodiscard]] DenseVolume MakeCloud(int n, std::uint64_t seed);

}  // namespace dvren::io
