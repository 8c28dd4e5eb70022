// Frame: the images of a render, and what it took.
#pragma once

#include <cstdint>

#include "dvren/core/tensor.h"

namespace dvren {

struct RenderStats {
  std::int64_t rays = 0;
  std::int64_t samples = 0;        // field samples taken
  std::int64_t early_stopped = 0;  // rays ended by early_stop
  std::int64_t truncated = 0;      // rays cut by max_steps
  std::int64_t invalid = 0;        // pixels outside the lens model
  double wall_seconds = 0;         // kernels and their launches

  RenderStats& operator+=(const RenderStats& other);
};

// Images cover the plan's ROI: rgb (H, W, 3); opacity, transmittance, depth, distortion, hit (H, W). For given rays
// H = 1, W = N.
// Of the plan's precision, linear colour. Those not asked for are undefined tensors.
struct Frame {
  Tensor rgb, opacity, transmittance, depth, distortion, hit;
  Tensor counts;  // i32 (1, N, 2), of given rays where RayBatch::count_each: samples taken, and hp_ray_end
  RenderStats stats;
};

}  // namespace dvren
