// The refinement of a dense grid's mask, step by step.
#pragma once

#include <cstdint>

#include "abi/error.h"
#include "backends/cuda/device_views.h"

namespace hp::cuda {

struct Stream;

// Ages grow by a period, or are new again where seen; what was seen is forgotten.
hp_status LaunchAge(Stream& stream, const MaskJob& job, int64_t bricks);
// `next`: the cells that there are afterwards, and their number.
hp_status LaunchRefine(Stream& stream, const MaskJob& job, int64_t bricks, bool half);
// Ages and bits from `next`; `bricks` gets the octants, 0 where there are none.
hp_status LaunchMaskBits(Stream& stream, const MaskJob& job, int64_t bricks);

// All of them, and the distances of empty bricks, which a sweep on the host measures: there are few bricks. Waits.
hp_status RefineMask(Stream& stream, MaskJob job, bool half, int64_t* there);

}  // namespace hp::cuda
