// Kernels over the memory of parameters (parameter_store.h). What is summed, and in what order values are rounded, is
// as in backends/cpu: the same bits.
#include "backends/cuda/kernel.h"
#define HP_ISA_NS isa_cuda
#include "lanes/scalar.h"
//
#include "backends/cuda/atomics.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/parameter_launch.h"
#include "hotpath_optimizer_includes.inc"

namespace hp::HP_ISA_NS {

using cuda::BlocksView;
using cuda::DeviceBlock;
using cuda::GradientView;
using cuda::kVoxelsOfBrick;
using cuda::UpdateJob;

inline constexpr int kParameterThreads = 256;

HP_FN bool in_sum_range(int64_t sum) {
  return (sum ^ (sum >> 63)) >> kSumRangeBits == 0;
}

// A CUDA block goes over a brick.
HP_KERNEL void HP_BOUNDS(kParameterThreads, 1) zero_kernel(GradientView gradient) {
  const int64_t brick = blockIdx.x;
  if (!gradient.touched[brick]) return;
  const int64_t values = kVoxelsOfBrick * gradient.values_per_voxel;
  int64_t* sums = gradient.sums + brick * values;
  for (int64_t i = threadIdx.x; i < values; i += kParameterThreads) sums[i] = 0;
}

HP_KERNEL void HP_BOUNDS(kParameterThreads, 1) check_kernel(GradientView gradient) {
  const int64_t brick = blockIdx.x;
  if (!gradient.touched[brick]) return;
  const int64_t values = kVoxelsOfBrick * gradient.values_per_voxel;
  const int64_t* sums = gradient.sums + brick * values;
  bool beyond = false;
  for (int64_t i = threadIdx.x; i < values; i += kParameterThreads) beyond = beyond || !in_sum_range(sums[i]);
  if (beyond) *gradient.overflow = 1;
}

// One of the up to 512 voxels of a block, and a channel of it.
struct BlockPlace {
  int x, y, z, channel;
  HP_FN BlockPlace(int i, int channels) {
    const int voxel = i / channels;
    channel = i - voxel * channels;
    x = voxel & 7;
    y = voxel >> 3 & 7;
    z = voxel >> 6;
  }
  HP_FN bool in(const DeviceBlock& block) const {
    return x < block.extent[0] && y < block.extent[1] && z < block.extent[2];
  }
};

// The sum at a voxel: over its places, in its own brick and, on a lower face, behind the last cell of the neighbours.
HP_FN int64_t sum_at(const GradientView& gradient, const DeviceBlock& block, const BlockPlace& at, int channel) {
  const int faces = (at.x == 0 ? 1 : 0) | (at.y == 0 ? 2 : 0) | (at.z == 0 ? 4 : 0);
  int64_t sum = 0;
  for (int i = 0; i < 8; ++i) {
    if ((i & ~faces) != 0 || block.bricks[i] < 0 || !gradient.touched[block.bricks[i]]) continue;
    const int local = (i & 4 ? 8 : at.z) * 81 + (i & 2 ? 8 : at.y) * 9 + (i & 1 ? 8 : at.x);
    sum += gradient.sums[(block.bricks[i] * kVoxelsOfBrick + local) * gradient.values_per_voxel + channel];
  }
  return sum;
}

HP_FN bool has_sum(const GradientView& gradient, const DeviceBlock& block, const BlockPlace& at) {
  int64_t bits = 0;
  for (int c = 0; c < gradient.values_per_voxel; ++c) bits |= sum_at(gradient, block, at, c);
  return bits != 0;
}

// From here on a CUDA block goes over a block of voxels, neighbouring threads over neighbouring values.

template <class T>
HP_KERNEL void HP_BOUNDS(kParameterThreads, 1)
    read_kernel(GradientView gradient, BlocksView blocks, double quantum, T* out) {
  const DeviceBlock& block = blocks.blocks[blockIdx.x];
  for (int i = static_cast<int>(threadIdx.x); i < 512 * blocks.channels; i += kParameterThreads) {
    const BlockPlace at(i, blocks.channels);
    if (!at.in(block)) continue;
    out[block.first + at.x * blocks.strides[0] + at.y * blocks.strides[1] + at.z * blocks.strides[2] + at.channel] =
        static_cast<T>(static_cast<double>(sum_at(gradient, block, at, at.channel)) * quantum);
  }
}

template <class T>
HP_KERNEL void HP_BOUNDS(kParameterThreads, 1)
    write_kernel(GradientView gradient, BlocksView blocks, double quantum, const T* values) {
  const DeviceBlock& block = blocks.blocks[blockIdx.x];
  const double per_quantum = 1 / quantum;  // a power of two: exact
  for (int i = static_cast<int>(threadIdx.x); i < 512 * blocks.channels; i += kParameterThreads) {
    const BlockPlace at(i, blocks.channels);
    if (!at.in(block)) continue;
    const double quanta = static_cast<double>(values[block.first + at.x * blocks.strides[0] + at.y * blocks.strides[1] +
                                                     at.z * blocks.strides[2] + at.channel]) *
                          per_quantum;
    if (quanta == 0) continue;
    if (!(quanta < 0x1p50 && quanta > -0x1p50)) {
      *gradient.overflow = 1;
      continue;
    }
    // The voxel's place in its own brick; those in its neighbours' stay zero.
    gradient.touched[block.bricks[0]] = 1;
    gradient.sums[(block.bricks[0] * kVoxelsOfBrick + at.z * 81 + at.y * 9 + at.x) * gradient.values_per_voxel +
                  at.channel] = round_to_quanta(quanta);
  }
}

HP_KERNEL void HP_BOUNDS(kParameterThreads, 1) fold_kernel(const Sum128* copies, int64_t* sums) {
  const int i = static_cast<int>(blockIdx.x) * kParameterThreads + static_cast<int>(threadIdx.x);
  if (i >= HP_SUM_COUNT) return;
  Sum128 sum;
  sum.low = static_cast<uint64_t>(sums[2 * i]);
  sum.high = sums[2 * i + 1];
  for (unsigned copy = 0; copy < cuda::kSumCopies; ++copy) add_to_sum(sum, copies[copy * HP_SUM_COUNT + i]);
  sums[2 * i] = static_cast<int64_t>(sum.low);
  sums[2 * i + 1] = sum.high;
}

// First value of a block's voxel.
HP_FN int64_t voxel_of(const cuda::UpdateJob& job, const BlockPlace& at) {
  const DenseGridView& grid = job.grid;
  const int64_t index = blockIdx.x, nx = grid.bricks_x, ny = grid.bricks_y;
  const int64_t x = index % nx * 8 + at.x, y = index / nx % ny * 8 + at.y, z = index / (nx * ny) * 8 + at.z;
  return (z * grid.pitch_z + y * grid.pitch_y + x) * grid.channel_stride;
}

// Of f16 values the optimizer keeps f32 masters behind its moments, on which it takes its steps. A master counts as
// long as it rounds to the value that is stored: else somebody has written that, or there was no step yet.
template <class Optimizer, class Stored>
HP_KERNEL void HP_BOUNDS(kParameterThreads, 1) update_kernel(HP_ARGUMENT(UpdateJob) job) {
  constexpr bool kHalf = sizeof(Stored) == 2;
  const GradientView& gradient = job.gradient;
  const DeviceBlock& block = job.blocks.blocks[blockIdx.x];
  const int stride = job.grid.channel_stride;
  bool touched = false;
  for (int brick : block.bricks) touched = touched || (brick >= 0 && gradient.touched[brick]);
  int64_t changed = 0;
  // (Where nothing is touched, nobody of this block writes `present`.)
  if (touched || (!job.args.sparse && job.moments.present[blockIdx.x])) {
    float* state = job.moments.values + int64_t{blockIdx.x} * job.moments.kept * job.moments.moment_values;
    Stored* values = static_cast<Stored*>(const_cast<void*>(job.grid.values));
    for (int i = static_cast<int>(threadIdx.x); i < 512 * stride; i += kParameterThreads) {
      const BlockPlace at(i, stride);
      if (!at.in(block) || (job.args.sparse && !has_sum(gradient, block, at))) continue;
      if (at.channel == 0) {
        job.moments.present[blockIdx.x] = 1;
        ++changed;
      }
      const F slope = static_cast<Real>(static_cast<double>(sum_at(gradient, block, at, at.channel)) * job.quantum);
      const F rate = at.channel < job.grid.channels ? Real(job.args.rates[at.channel]) : Real(0);
      Stored* value = values + voxel_of(job, at) + at.channel;
      float* kept = state + i;
      const F stored = load_lanes(value);
      F before = stored;
      if constexpr (kHalf) {
        const F master = kept[Optimizer::kMoments * job.moments.moment_values];
        before = nearest_half(master) == stored ? master : stored;
      }
      F m[Optimizer::kMoments];
      for (int k = 0; k < Optimizer::kMoments; ++k) m[k] = kept[k * job.moments.moment_values];
      const F after = Optimizer::step(job.args, before, slope, rate, m);
      store_lanes(after, value);
      if constexpr (kHalf) kept[Optimizer::kMoments * job.moments.moment_values] = after;
      for (int k = 0; k < Optimizer::kMoments; ++k) kept[k * job.moments.moment_values] = m[k];
    }
  }
  if (!job.changed) return;
  const int64_t sum = warp_sum(changed);
  if (sum != 0 && first_of_warp(threadIdx.x)) atomic_add(job.changed, sum);
}

// Adds the slopes of the total variation at a block's voxels to its own brick, a thread per voxel. Places that others
// read at the same time are those behind the last cell of a brick, which this does not write.
template <class Stored>
HP_KERNEL void HP_BOUNDS(kParameterThreads, 1) smooth_kernel(HP_ARGUMENT(UpdateJob) job) {
  const GradientView& gradient = job.gradient;
  const DenseGridView& grid = job.grid;
  const DeviceBlock& block = job.blocks.blocks[blockIdx.x];
  const int64_t own = block.bricks[0];
  if (!gradient.touched[own]) return;
  const Stored* values = static_cast<const Stored*>(grid.values);
  const int64_t nx = grid.bricks_x, ny = grid.bricks_y;
  const int64_t origin[3] = {blockIdx.x % nx * 8, blockIdx.x / nx % ny * 8, blockIdx.x / (nx * ny) * 8};
  const int64_t size[3] = {grid.nx, grid.ny, grid.nz};
  const int64_t step[3] = {grid.channel_stride, int64_t{grid.pitch_y} * grid.channel_stride,
                           int64_t{grid.pitch_z} * grid.channel_stride};
  for (int i = static_cast<int>(threadIdx.x); i < 512; i += kParameterThreads) {
    const BlockPlace at(i, 1);
    if (!at.in(block) || !has_sum(gradient, block, at)) continue;
    const int64_t place[3] = {origin[0] + at.x, origin[1] + at.y, origin[2] + at.z};
    const Stored* here = values + voxel_of(job, at);
    int64_t* to = gradient.sums + (own * kVoxelsOfBrick + at.z * 81 + at.y * 9 + at.x) * gradient.values_per_voxel;
    for (int c = 0; c < grid.channels; ++c) {
      Real slope = 0;
      for (int axis = 0; axis < 3; ++axis) {
        for (int side = -1; side <= 1; side += 2) {
          if (place[axis] + side < 0 || place[axis] + side >= size[axis]) continue;
          slope = slope + (load_lanes(here + c) - load_lanes(here + side * step[axis] + c));
        }
      }
      const double quanta = static_cast<double>(slope) * job.args.rates[c] / job.quantum;
      if (!(quanta < 0x1p50 && quanta > -0x1p50)) {
        *gradient.overflow = 1;
        continue;
      }
      if (add_to(to[c], round_to_quanta(quanta)) < 0) *gradient.overflow = 1;
    }
  }
}

using Updater = hp_status (*)(cuda::Stream&, const UpdateJob&);

template <class Optimizer, class Stored>
static hp_status launch_update(cuda::Stream& stream, const UpdateJob& job) {
  return cuda::Launch(stream, "update", cuda::BlocksOf(job.blocks.count, 1), cuda::Threads(kParameterThreads),
                      update_kernel<Optimizer, Stored>, job);
}

// By rule and storage.
static Updater updater_of(int32_t rule, bool half) {
  static const Updater table[][2] = {
#define HP_OPTIMIZER(index, name) {launch_update<optimizer_##name, float>, launch_update<optimizer_##name, Half>},
#include "hotpath_optimizers.inc"
#undef HP_OPTIMIZER
  };
  return table[rule][half ? 1 : 0];
}

}  // namespace hp::HP_ISA_NS

namespace hp::cuda {

using namespace isa_cuda;

hp_status LaunchZero(Stream& stream, const GradientView& gradient) {
  HP_RETURN_IF_ERROR(
      Launch(stream, "zero", BlocksOf(gradient.bricks, 1), Threads(kParameterThreads), zero_kernel, gradient));
  HP_RETURN_IF_ERROR(stream.device->Fill(stream, gradient.touched, 0, static_cast<size_t>(gradient.bricks)));
  return stream.device->Fill(stream, gradient.overflow, 0, sizeof *gradient.overflow);
}

hp_status LaunchCheck(Stream& stream, const GradientView& gradient) {
  return Launch(stream, "check", BlocksOf(gradient.bricks, 1), Threads(kParameterThreads), check_kernel, gradient);
}

hp_status LaunchRead(Stream& stream, const GradientView& gradient, const BlocksView& blocks, double quantum,
                     hp_dtype dtype, void* out) {
  const Dim3 grid = BlocksOf(blocks.count, 1), threads = Threads(kParameterThreads);
  if (dtype == HP_DTYPE_F64) {
    return Launch(stream, "read", grid, threads, read_kernel<double>, gradient, blocks, quantum,
                  static_cast<double*>(out));
  }
  return Launch(stream, "read", grid, threads, read_kernel<float>, gradient, blocks, quantum, static_cast<float*>(out));
}

hp_status LaunchWrite(Stream& stream, const GradientView& gradient, const BlocksView& blocks, double quantum,
                      hp_dtype dtype, const void* values) {
  const Dim3 grid = BlocksOf(blocks.count, 1), threads = Threads(kParameterThreads);
  if (dtype == HP_DTYPE_F64) {
    return Launch(stream, "write", grid, threads, write_kernel<double>, gradient, blocks, quantum,
                  static_cast<const double*>(values));
  }
  return Launch(stream, "write", grid, threads, write_kernel<float>, gradient, blocks, quantum,
                static_cast<const float*>(values));
}

hp_status LaunchFold(Stream& stream, const Sum128* copies, int64_t* sums) {
  return Launch(stream, "fold", BlocksOf(HP_SUM_COUNT, kParameterThreads), Threads(kParameterThreads), fold_kernel,
                copies, sums);
}

hp_status LaunchUpdate(Stream& stream, const UpdateJob& job, bool half) {
  return updater_of(job.args.rule, half)(stream, job);
}

hp_status LaunchSmooth(Stream& stream, const UpdateJob& job, bool half) {
  return Launch(stream, "smooth", BlocksOf(job.blocks.count, 1), Threads(kParameterThreads),
                half ? smooth_kernel<Half> : smooth_kernel<float>, job);
}

}  // namespace hp::cuda
