// Device view of a dense grid: plain data, shared by every backend.
// Rows are padded by one voxel in x, y and z, so that the upper neighbour of the last voxel can be read (with weight
// zero); the padding also keeps the strides off powers of two.
#pragma once

#include <cstdint>

namespace hp {

struct DenseGridView {
  const void* values;  // f32 or f16, (nz + 1, pitch rows, voxels, channel_stride)
  int32_t nx, ny, nz;
  int32_t pitch_y, pitch_z;  // voxels
  int32_t channels;          // as described: 1, 4, 13, 28, 49
  int32_t channel_stride;    // values per voxel as stored: 1, or channels rounded up to 4
  int32_t sh_degree;         // 0 without spherical harmonics
  int32_t nearest;
  int32_t activation;          // hp_activation of sigma
  int32_t plain_color;         // 1: four channels, activation the identity
  int32_t bricks_x, bricks_y;  // of 8^3 cells: how gradients are laid out
};

// A dense grid of which only some cells are there: in the others the density is 0. A cell reaches from a voxel to its
// upper neighbours. Bricks of 8^3 cells as above.
struct DenseGridMaskedView {
  DenseGridView grid;
  const int32_t* cells;  // 16 words per brick, bit (y & 3) * 8 + (x & 7) of word (z & 7) * 2 + (y >> 2 & 1)
  // Per brick: bit x/4 + 2 (y/4) + 4 (z/4) where a cell of that octant is there; for a brick of which none is, -d, d >=
  // 1: in the cube of 2 d - 1 bricks around it none is either.
  const int32_t* bricks;
  uint32_t* seen;  // as `cells`: where a forward saw a weight of `seen_weight` or more; null: not wanted
  float seen_weight;
};

}  // namespace hp
