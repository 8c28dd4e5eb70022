// Device view of a NanoVDB fog volume: a two-level table from 8^3 blocks to bricks of values.
//   nodes[z][y][x] (one per 128^3 voxels) -> node;  leaves[node * 4096 + z<<8 | y<<4 | x] -> brick;  bricks[brick * 736
//   + …]
// A brick holds 9^3 values: its block and the first layer of the next ones, so that the eight values of a trilinear
// cell lie in one brick. Node 0 and brick 0 are all zero: "empty" means that the whole interpolation support of the
// block is 0. Grid space is index space moved so that the box begins at 0, where floats have most digits; the table
// begins `shift` cells before that.
#pragma once

#include <cstdint>

namespace hp {

inline constexpr int kBrickRow = 9, kBrickSlice = 81, kBrickValues = 736;  // 729, padded for wide reads

struct NanoVdbView {
  const int32_t* nodes;
  const int32_t* leaves;
  const float* bricks;
  const int32_t* owned;  // per brick: 1 where it belongs to one block alone and its values are parameters
  int32_t nodes_x, nodes_y, nodes_z;
  int32_t shift_x, shift_y, shift_z;  // 0 … 127
};

}  // namespace hp
