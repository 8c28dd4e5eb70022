// How far the nearest brick with cells lies from bricks that have none (fields/dense_grid_view.h).
#pragma once

#include <cstdint>

namespace hp {

// `bricks`, (z, y, x): what is positive stays; the others become -d, d >= 1 the distance in bricks along the axis on
// which it is greatest, at most 127; outside of the grid nothing is.
void MeasureEmptyBricks(int x, int y, int z, int32_t* bricks);

}  // namespace hp
