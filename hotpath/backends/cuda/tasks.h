// The kernel of all tasks (bodies/forward_kernels.h, bodies/backward_kernels.h): a thread does one item. Include after
// a lane and kernel.h.
#pragma once

#include "backends/cuda/atomics.h"
#include "backends/cuda/launch.h"
#include "bodies/args.h"

namespace hp::HP_ISA_NS {

// A warp covers 8x4 pixels: its threads read neighbouring voxels.
inline constexpr int kPixelsX = 8, kPixelsY = 16, kThreads = kPixelsX * kPixelsY;

// This thread's item; -1: none.
HP_FN int64_t item_of_thread(const cuda::Items& items) {
  if (items.width > 0) {
    const int64_t x = int64_t{blockIdx.x} * kPixelsX + threadIdx.x, y = int64_t{blockIdx.y} * kPixelsY + threadIdx.y;
    return x < items.width && y < items.height ? y * items.width + x : -1;
  }
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  return i < items.count ? items.first + i : -1;
}

HP_FN void add_counters(int64_t* counters, const Counters& mine) {
  if (!counters) return;
  for (int i = 0; i <= HP_COUNTER_OVERFLOWED; ++i) {
    const int64_t sum = warp_sum(mine.value[i]);
    if (sum != 0 && first_of_warp(threadIdx.y * blockDim.x + threadIdx.x)) atomic_add(counters + i, sum);
  }
}

// A block's sums go to one of several copies, so that blocks do not wait for each other.
HP_FN Sum128* sums_of_block(Sum128* copies) {
  if (!copies) return nullptr;
  return copies + (blockIdx.y * gridDim.x + blockIdx.x) % cuda::kSumCopies * HP_SUM_COUNT;
}

// Blocks that a multiprocessor holds at least: 4 leave 128 registers to a thread, 2 leave 255. As many as go without
// spills.
#if defined(HP_REAL_IS_DOUBLE)
template <class Task>
inline constexpr int kBlocksOf = 2;
#else
template <class Task>
inline constexpr int kBlocksOf = 4;
#endif

// (All threads stay until the end: the counters are summed over whole warps.)
template <class Task>
HP_KERNEL void HP_BOUNDS(kThreads, kBlocksOf<Task>)
    run_items(HP_ARGUMENT(Job) job, cuda::Items items, int64_t* counters, Sum128* sums) {
  Counters mine;
  mine.sums = sums_of_block(sums);
  const int64_t item = item_of_thread(items);
  if (item >= 0) Task::run(job, item, mine);
  add_counters(counters, mine);
}

template <class Task>
hp_status launch_task(const cuda::TaskLaunch& launch, const Job& job) {
  const cuda::Items& items = launch.items;
  cuda::Dim3 grid = cuda::BlocksOf(items.count, kThreads), block = cuda::Threads(kThreads);
  if (items.width > 0) {
    grid = cuda::BlocksOf(items.width, kPixelsX);
    grid.y = cuda::BlocksOf(items.height, kPixelsY).x;
    block = cuda::Threads(kPixelsX, kPixelsY);
  }
  return cuda::Launch(*launch.stream, launch.name, grid, block, run_items<Task>, job, items, launch.counters,
                      launch.sums);
}

}  // namespace hp::HP_ISA_NS
