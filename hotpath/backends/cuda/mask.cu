// Kernels of the mask's refinement; the rules are those of backends/cpu/mask.cpp.
#include "backends/cuda/kernel.h"
#define HP_ISA_NS isa_cuda
#include "lanes/scalar.h"
//
#include "backends/cuda/atomics.h"
#include "backends/cuda/mask_launch.h"

namespace hp::HP_ISA_NS {

using cuda::MaskJob;

inline constexpr int kMaskThreads = 256, kCells = 512;

// A CUDA block goes over the cells of a brick.
HP_KERNEL void HP_BOUNDS(kMaskThreads, 1) age_kernel(HP_ARGUMENT(MaskJob) job) {
  const int64_t brick = blockIdx.x;
  if (job.bricks[brick] <= 0) return;
  for (int i = static_cast<int>(threadIdx.x); i < kCells; i += kMaskThreads) {
    uint8_t& age = job.ages[brick * kCells + i];
    if (age == 0) continue;
    const uint32_t seen = job.seen[brick * 16 + (i >> 5)] >> (i & 31) & 1;
    age = seen ? 1 : static_cast<uint8_t>(age < 126 ? age + 1 : 127);
  }
}

// Whether a cell is there and was seen within the window.
HP_FN bool is_recent(const MaskJob& job, int x, int y, int z) {
  const DenseGridView& grid = job.grid;
  if (x < 0 || y < 0 || z < 0 || x >= grid.nx || y >= grid.ny || z >= grid.nz) return false;
  const int64_t brick = (int64_t{z >> 3} * grid.bricks_y + (y >> 3)) * grid.bricks_x + (x >> 3);
  if (job.bricks[brick] <= 0) return false;
  const int age = job.ages[brick * kCells + ((z & 7) << 6 | (y & 7) << 3 | (x & 7))];
  return age != 0 && age <= job.window;
}

template <class Stored>
HP_FN bool is_dense(const MaskJob& job, int x, int y, int z) {
  const DenseGridView& grid = job.grid;
  const int64_t vx = x < grid.nx ? x : grid.nx - 1, vy = y < grid.ny ? y : grid.ny - 1,
                vz = z < grid.nz ? z : grid.nz - 1;
  const int64_t at = (vz * grid.pitch_z + vy * grid.pitch_y + vx) * grid.channel_stride + (grid.channels - 1);
  return static_cast<double>(widen(static_cast<const Stored*>(grid.values)[at])) > job.raw;
}

template <class Stored>
HP_KERNEL void HP_BOUNDS(kMaskThreads, 1) refine_kernel(HP_ARGUMENT(MaskJob) job) {
  const int64_t brick = blockIdx.x;
  const DenseGridView& grid = job.grid;
  const bool near = job.bricks[brick] >= -1;  // else its neighbours are empty, too
  const int x0 = static_cast<int>(brick % grid.bricks_x) * 8,
            y0 = static_cast<int>(brick / grid.bricks_x % grid.bricks_y) * 8,
            z0 = static_cast<int>(brick / (int64_t{grid.bricks_x} * grid.bricks_y)) * 8;
  int64_t count = 0;
  for (int i = static_cast<int>(threadIdx.x); i < kCells; i += kMaskThreads) {
    const int x = x0 + (i & 7), y = y0 + (i >> 3 & 7), z = z0 + (i >> 6);
    uint8_t next = 0;
    if (near && x < grid.nx && y < grid.ny && z < grid.nz) {
      bool recent = false, dense = false;
      for (int n = 0; n < 27 && !recent; ++n) recent = is_recent(job, x + n % 3 - 1, y + n / 3 % 3 - 1, z + n / 9 - 1);
      for (int n = 0; n < 8 && recent && !dense; ++n) {
        dense = is_dense<Stored>(job, x + (n & 1), y + (n >> 1 & 1), z + (n >> 2));
      }
      if (recent && dense) {
        // A cell that is new here has not been seen: it stays as long as its neighbours are.
        const uint8_t age = job.ages[brick * kCells + i];
        next = age != 0 ? age : static_cast<uint8_t>(job.window + 1);
        ++count;
      }
    }
    job.next[brick * kCells + i] = next;
  }
  const int64_t sum = warp_sum(count);
  if (sum != 0 && first_of_warp(threadIdx.x)) atomic_add(job.there, sum);
}

// A thread per word of 32 cells; the first of a brick also does its octants.
HP_KERNEL void HP_BOUNDS(kMaskThreads, 1) bits_kernel(HP_ARGUMENT(MaskJob) job, int64_t bricks) {
  const int64_t word = int64_t{blockIdx.x} * kMaskThreads + threadIdx.x;
  if (word >= bricks * 16) return;
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) {
    const uint8_t next = job.next[word * 32 + i];
    job.ages[word * 32 + i] = next;
    bits |= (next != 0 ? 1u : 0u) << i;
  }
  job.cells[word] = static_cast<int32_t>(bits);
  job.seen[word] = 0;
  if (word % 16 != 0) return;
  int32_t octants = 0;
  for (int i = 0; i < kCells; ++i) {
    if (job.next[word * 32 + i] != 0) octants |= 1 << ((i >> 2 & 1) | (i >> 5 & 1) << 1 | (i >> 8 & 1) << 2);
  }
  job.bricks[word / 16] = octants;
}

}  // namespace hp::HP_ISA_NS

namespace hp::cuda {

using namespace isa_cuda;

hp_status LaunchAge(Stream& stream, const MaskJob& job, int64_t bricks) {
  return Launch(stream, "mask_age", BlocksOf(bricks, 1), Threads(kMaskThreads), age_kernel, job);
}

hp_status LaunchRefine(Stream& stream, const MaskJob& job, int64_t bricks, bool half) {
  return Launch(stream, "mask_refine", BlocksOf(bricks, 1), Threads(kMaskThreads),
                half ? refine_kernel<Half> : refine_kernel<float>, job);
}

hp_status LaunchMaskBits(Stream& stream, const MaskJob& job, int64_t bricks) {
  return Launch(stream, "mask_bits", BlocksOf(bricks * 16, kMaskThreads), Threads(kMaskThreads), bits_kernel, job,
                bricks);
}

}  // namespace hp::cuda
