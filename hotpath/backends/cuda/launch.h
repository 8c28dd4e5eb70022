// The CUDA kernels of rays as the backend launches them: one table per precision, all instantiated from the same
// bodies.
#pragma once

#include <cstdint>

#include "abi/error.h"
#include "bodies/args.h"

namespace hp::cuda {

struct Stream;

inline constexpr int kFieldTypes = 8;       // room for registered ones
inline constexpr unsigned kSumCopies = 64;  // of the sums of few parameters, folded after a launch

// What a launch goes over: the pixels of a picture (width > 0), or `count` rays from `first`.
struct Items {
  int32_t width = 0, height = 0;
  int64_t first = 0, count = 0;
};

// One launch. Pointers are device pointers.
struct TaskLaunch {
  Stream* stream;
  const char* name;
  Items items;
  int64_t* counters;  // HP_COUNTER_COUNT, added to; may be null
  Sum128* sums;       // (kSumCopies, HP_SUM_COUNT), added to; null where the job wants none
};
using Task = hp_status (*)(const TaskLaunch& launch, const Job& job);

struct ForwardTable {
  Task ray;                       // pixels of roi -> rays
  Task integrate[2], compose;     // staged; [distortion, too]
  Task fused[kFieldTypes][2][2];  // [field type][f16 storage][distortion, too]
  Task sample[kFieldTypes][2];
  Task evaluate[kFieldTypes][2];
  // *most becomes the larger of itself and the most segments of any ray.
  hp_status (*max_count)(Stream& stream, const Job& job, int64_t* most);
};

struct BackwardTable {
  Task backward[kFieldTypes][2][2][2];  // [field type][f16 storage][position, too][distortion, too]
  Task sample_backward[kFieldTypes][2];
  Task diff[2], ray_backward;  // staged; [distortion, too]
  // For the gradient of the step: rays items.first … of the job, to out[0] ….
  hp_status (*step_rays)(const TaskLaunch& launch, const Job& job, StepRay* out);
  // Of the double table alone: adds dL/d(dt) of `rays`, items.count of them.
  hp_status (*step_gradients[kFieldTypes][2])(const TaskLaunch& launch, const Job& job, const StepRay* rays);
};

const ForwardTable& ForwardSingle();
const ForwardTable& ForwardDouble();
const BackwardTable& BackwardSingle();
const BackwardTable& BackwardDouble();

}  // namespace hp::cuda
