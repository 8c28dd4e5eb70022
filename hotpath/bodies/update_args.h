// Plain arguments of an optimizer's step.
#pragma once

#include <cstdint>
#include <limits>

namespace hp {

inline constexpr int kMaxChannels = 52;  // 49, rounded up to groups of 4

struct UpdateArgs {
  int32_t rule = 0;  // index in the table of optimizers
  double beta1 = 0, beta2 = 0, epsilon = 0, momentum = 0, weight_decay = 0;
  double correction1 = 1, root_correction2 = 1;                                     // 1 - beta1^t, sqrt(1 - beta2^t)
  double gradient_scale = 1, clip_value = std::numeric_limits<double>::infinity();  // infinity: no limit
  int32_t nesterov = 0, decoupled = 0;
  int32_t sparse = 0;                // leave voxels alone whose gradient is all zero, their moments too
  double rates[kMaxChannels] = {0};  // per channel
};

}  // namespace hp
