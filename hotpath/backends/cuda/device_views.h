// What kernels see of the parameters' memory (parameter_store.h): plain data with device pointers.
#pragma once

#include <cstdint>

#include "bodies/update_args.h"
#include "fields/dense_grid_view.h"

namespace hp::cuda {

inline constexpr int64_t kVoxelsOfBrick = 729;  // 9^3 (fields/brick.h)

// Sums of a gradient: every brick has its place. Values of bricks that are not touched are 0.
struct GradientView {
  int64_t* sums = nullptr;      // (bricks, 729, values_per_voxel)
  uint8_t* touched = nullptr;   // per brick: 1 since something was added to it
  int32_t* overflow = nullptr;  // 1: a contribution did not fit, or a sum was found out of its range
  int64_t bricks = 0;
  int32_t values_per_voxel = 1;  // as stored
};

// GradientLayout::Block.
struct DeviceBlock {
  int32_t bricks[8];
  int32_t extent[3];
  int32_t unused;
  int64_t first;
};

struct BlocksView {
  const DeviceBlock* blocks = nullptr;
  int64_t count = 0;
  int32_t channels = 1;  // as read
  int64_t strides[3] = {0, 0, 0};
};

// Moments of an optimizer: every block has its place; those of blocks that have none are 0.
struct MomentView {
  float* values = nullptr;     // (blocks, kept, 512, values_per_voxel)
  uint8_t* present = nullptr;  // per block
  int64_t moment_values = 0;   // of one moment of a block
  int32_t kept = 0;            // moments, and masters of f16 values behind them
};

// A step of a dense grid's values against their gradient, or a smoothing.
struct UpdateJob {
  DenseGridView grid;
  GradientView gradient;
  BlocksView blocks;
  MomentView moments;
  UpdateArgs args;
  double quantum = 1;
  int64_t* changed = nullptr;  // voxels; added to
};

// The mask of a dense grid (fields/dense_grid_view.h) and its refinement.
struct MaskJob {
  DenseGridView grid;
  uint8_t* ages = nullptr;  // (bricks, 512): 0 = not there, 1 + n = there, last seen n refinements ago
  uint8_t* next = nullptr;  // the same, afterwards
  int32_t* cells = nullptr;
  int32_t* bricks = nullptr;
  uint32_t* seen = nullptr;
  int64_t* there = nullptr;  // added to: cells that are there afterwards
  double raw = 0;            // what is above it is dense
  int32_t window = 1;
  int32_t bricks_z = 1;
};

}  // namespace hp::cuda
