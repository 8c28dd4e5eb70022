// Kernels and their launches. Compiled by nvcc this is CUDA; compiled as C++ it is the host executor: Launch runs the
// same grid and block loops on the CPU, a thread after the other, so that kernels without warp or block collectives are
// tested without a GPU. Include first in a .cu file.
#pragma once

#include "backends/cuda/runtime.h"

#if defined(__CUDACC__)

#include <cuda_runtime.h>

#define HP_KERNEL __global__
// Of a block, and how many blocks a multiprocessor is to hold at least: what registers a thread may take.
#define HP_BOUNDS(threads, blocks) __launch_bounds__(threads, blocks)
// A large argument: stays in constant memory, where all threads read it.
#define HP_ARGUMENT(type) const __grid_constant__ type

namespace hp::cuda {
using Dim3 = dim3;
}  // namespace hp::cuda

#else

#define HP_HOST_EXECUTOR 1
#define HP_KERNEL inline
#define HP_BOUNDS(threads, blocks)
#define HP_ARGUMENT(type) const type&

namespace hp::cuda {
struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};
}  // namespace hp::cuda
// CUDA's names, of the thread that the executor runs.
inline thread_local hp::cuda::Dim3 blockIdx, threadIdx, blockDim, gridDim;

#endif

namespace hp::cuda {

// Runs `kernel` on the stream. `name` is a literal: traces, metrics and the launch counts use it.
template <class... Parameters, class... Arguments>
hp_status Launch(Stream& stream, const char* name, Dim3 grid, Dim3 block, void (*kernel)(Parameters...),
                 const Arguments&... arguments) {
  HP_RETURN_IF_ERROR(stream.device->Launching(name));
#if defined(__CUDACC__)
  kernel<<<grid, block, 0, static_cast<cudaStream_t>(stream.native)>>>(arguments...);
#else
  gridDim = grid;
  blockDim = block;
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        for (threadIdx.z = 0; threadIdx.z < block.z; ++threadIdx.z) {
          for (threadIdx.y = 0; threadIdx.y < block.y; ++threadIdx.y) {
            for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x) kernel(arguments...);
          }
        }
      }
    }
  }
#endif
  return stream.device->Launched(stream, name);
}

// Blocks of `threads` for `count` of something, in one dimension.
inline Dim3 BlocksOf(int64_t count, int threads) {
  Dim3 blocks;
  blocks.x = static_cast<unsigned>((count + threads - 1) / threads);
  blocks.y = blocks.z = 1;
  return blocks;
}
inline Dim3 Threads(unsigned x, unsigned y = 1) {
  Dim3 threads;
  threads.x = x;
  threads.y = y;
  threads.z = 1;
  return threads;
}

}  // namespace hp::cuda
