// Launches over the memory of parameters: gradients and moments.
#pragma once

#include <cstdint>

#include "abi/error.h"
#include "backends/cuda/device_views.h"
#include "bodies/args.h"
#include "hotpath/hp.h"

namespace hp::cuda {

struct Stream;

// All sums 0, nothing touched, no overflow. Costs what was touched.
hp_status LaunchZero(Stream& stream, const GradientView& gradient);
// Sets the overflow where a sum has left its range (lanes/sum_range.h).
hp_status LaunchCheck(Stream& stream, const GradientView& gradient);
// Sums times `quantum` in the layout of what is read, f32 or f64, every value of it.
hp_status LaunchRead(Stream& stream, const GradientView& gradient, const BlocksView& blocks, double quantum,
                     hp_dtype dtype, void* out);
// The other way, into a gradient that is all zero. The overflow is set where a value is not finite or too large.
hp_status LaunchWrite(Stream& stream, const GradientView& gradient, const BlocksView& blocks, double quantum,
                      hp_dtype dtype, const void* values);
// The copies (kSumCopies, HP_SUM_COUNT) of a launch's sums on to `sums` (HP_SUM_COUNT, 2).
hp_status LaunchFold(Stream& stream, const Sum128* copies, int64_t* sums);
// A step of the optimizer args.rule. `half`: the values are f16.
hp_status LaunchUpdate(Stream& stream, const UpdateJob& job, bool half);
// Adds the slopes of the total variation; args.rates are the weights.
hp_status LaunchSmooth(Stream& stream, const UpdateJob& job, bool half);

}  // namespace hp::cuda
