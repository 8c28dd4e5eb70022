// How the gradient of a field's values is laid out: bricks of 8^3 cells (fields/brick.h) while it is summed, the
// field's own layout when it is read.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace hp {

class GradientLayout {
 public:
  virtual ~GradientLayout() = default;

  // A block of up to 8^3 voxels of what is read.
  struct Block {
    // Bricks of the block and of its lower neighbours, dx + 2 dy + 4 dz; -1 where there is none. A voxel on a lower
    // face has a place in the neighbour, too.
    std::array<int64_t, 8> bricks;
    int extent[3];  // voxels in x, y, z
    int64_t first;  // value of the block's first voxel in what is read
  };
  virtual Block At(int64_t block) const = 0;

  int64_t bricks = 0, blocks = 0;
  int channels = 1, values_per_voxel = 1;  // as described, as stored
  std::vector<int64_t> shape;              // of what is read
  int64_t strides[3] = {0, 0, 0};          // of a voxel in x, y, z, in values of what is read
  std::vector<int32_t> origins;            // (blocks, 3) index coordinates, for sparse fields
};

}  // namespace hp
