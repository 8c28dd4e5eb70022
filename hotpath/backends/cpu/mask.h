// The mask of a dense grid (fields/dense_grid_view.h) and its refinement.
#pragma once

#include <cstdint>

#include "fields/dense_grid_view.h"

namespace hp::cpu {

class ThreadPool;

// Ages of cells, 512 per brick, z, y, x: 0 = not there, 1 + n = there, last seen n refinements ago.
struct MaskArrays {
  uint8_t* ages;
  int32_t* cells;
  int32_t* bricks;
  uint32_t* seen;
};

// Returns how many cells there are afterwards. `half`: the grid's values are f16. `raw`: what is above it is dense.
int64_t RefineMask(ThreadPool& pool, const DenseGridView& grid, bool half, const MaskArrays& mask, double raw,
                   int seen_window);

}  // namespace hp::cpu
