// Launches of the CUDA kernels. Names are the launch names of traces and metrics.
#pragma once

#include <cuda_runtime_api.h>

#include "bodies/args.h"

namespace hp::cuda {

// One thread per pixel or ray, on `stream` (never the default stream). Pointers in the job are device pointers;
// `counters`: HP_COUNTER_COUNT device integers, or null.
cudaError_t LaunchRay(cudaStream_t stream, const Job& job, unsigned long long* counters);
cudaError_t LaunchFused(cudaStream_t stream, const Job& job, unsigned long long* counters);

}  // namespace hp::cuda
