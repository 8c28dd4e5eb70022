// Steps of optimizers for one lane: over the voxels of a block, and over arrays. Part of kernels.inl.
#pragma once

#include "hotpath_optimizer_includes.inc"

namespace hp::HP_ISA_NS {

// Row-wise: all channels of up to 8 voxels next to each other in x.
inline constexpr int kRowValues = 8 * kMaxChannels + 16;

// Sums of a gradient over the places of a row's voxels (abi/gradient_layout.h).
struct GradientRow {
  int64_t sum[kRowValues];
  bool any;  // one is not 0

  HP_FN void gather(const cpu::BlockUpdate& block, int stride, int y, int z) {
    const int64_t* const* bricks = block.bricks;
    const int voxels = block.extent[0], n = voxels * stride;
    for (int i = 0; i < n; ++i) sum[i] = 0;
    for (int i = 0; i < 8; ++i) {
      if (!bricks[i] || ((i & 2) && y != 0) || ((i & 4) && z != 0)) continue;
      const int64_t* row = bricks[i] + int64_t{(i & 4 ? 8 : z) * 81 + (i & 2 ? 8 : y) * 9 + (i & 1 ? 8 : 0)} * stride;
      const int values = i & 1 ? stride : n;  // the neighbour in x has a place of the first voxel alone
      for (int j = 0; j < values; ++j) sum[j] += row[j];
    }
    int64_t bits = 0;
    for (int i = 0; i < n; ++i) bits |= sum[i];
    any = bits != 0;
  }
};

#if !defined(HP_REAL_IS_DOUBLE)

static float* row_of(const DenseGridView& grid, int64_t x, int64_t y, int64_t z) {
  float* values = static_cast<float*>(const_cast<void*>(grid.values));
  return values + (z * grid.pitch_z + y * grid.pitch_y + x) * grid.channel_stride;
}

template <class Optimizer>
static int64_t update_block(const cpu::BlockUpdate& job) {
  const DenseGridView& grid = *job.grid;
  const int stride = grid.channel_stride, n = job.extent[0] * stride;
  alignas(64) Real rates[kRowValues] = {0}, value[kRowValues] = {0}, gradient[kRowValues] = {0},
                   alive[kRowValues] = {0}, moment[Optimizer::kMoments][kRowValues] = {{0}};
  for (int i = 0; i < n; ++i) rates[i] = i % stride < grid.channels ? Real(job.args.rates[i % stride]) : Real(0);
  GradientRow row;
  float* state = nullptr;
  int64_t changed = 0;
  for (int z = 0; z < job.extent[2]; ++z) {
    for (int y = 0; y < job.extent[1]; ++y) {
      row.gather(job, stride, y, z);
      if (!row.any && job.args.sparse) continue;
      if (!state) state = job.touch(job.moments, job.block);
      for (int x = 0; x < job.extent[0]; ++x) {
        int64_t bits = 0;
        for (int c = 0; c < stride; ++c) bits |= row.sum[x * stride + c];
        const bool steps = bits != 0 || !job.args.sparse;
        changed += steps;
        for (int c = 0; c < stride; ++c) alive[x * stride + c] = Real(steps ? 1 : 0);
      }
      for (int i = 0; i < n; ++i) gradient[i] = static_cast<Real>(static_cast<double>(row.sum[i]) * job.quantum);
      float* values = row_of(grid, job.origin[0], job.origin[1] + y, job.origin[2] + z);
      float* kept = state + int64_t{z * 8 + y} * 8 * stride;
      memcpy(value, values, static_cast<size_t>(n) * sizeof(float));
      for (int m = 0; m < Optimizer::kMoments; ++m) {
        memcpy(moment[m], kept + m * job.moment_values, static_cast<size_t>(n) * sizeof(float));
      }
      for (int i = 0; i < n; i += kWidth) {
        const M steps = load_lanes(alive + i) > splat(0);
        const F before = load_lanes(value + i);
        F m[Optimizer::kMoments], old[Optimizer::kMoments];
        for (int k = 0; k < Optimizer::kMoments; ++k) m[k] = old[k] = load_lanes(moment[k] + i);
        const F after = Optimizer::step(job.args, before, load_lanes(gradient + i), load_lanes(rates + i), m);
        store_lanes(select(steps, after, before), value + i);
        for (int k = 0; k < Optimizer::kMoments; ++k) store_lanes(select(steps, m[k], old[k]), moment[k] + i);
      }
      memcpy(values, value, static_cast<size_t>(n) * sizeof(float));
      for (int m = 0; m < Optimizer::kMoments; ++m) {
        memcpy(kept + m * job.moment_values, moment[m], static_cast<size_t>(n) * sizeof(float));
      }
    }
  }
  return changed;
}

// Adds the slopes of the total variation at a block's voxels to its own brick. Places that others read at the same time
// are those behind the last cell of a brick, which this does not write. -1 when a sum has left its range.
static int64_t smooth_block(const cpu::BlockUpdate& job) {
  int64_t* own = const_cast<int64_t*>(job.bricks[0]);
  if (!own) return 0;
  const DenseGridView& grid = *job.grid;
  const int stride = grid.channel_stride;
  GradientRow row;
  int64_t wrapped = 0;
  bool beyond = false;
  for (int z = 0; z < job.extent[2]; ++z) {
    for (int y = 0; y < job.extent[1]; ++y) {
      row.gather(job, stride, y, z);
      if (!row.any) continue;
      for (int x = 0; x < job.extent[0]; ++x) {
        int64_t bits = 0;
        for (int c = 0; c < stride; ++c) bits |= row.sum[x * stride + c];
        if (bits == 0) continue;
        const int64_t at[3] = {job.origin[0] + x, job.origin[1] + y, job.origin[2] + z},
                      size[3] = {grid.nx, grid.ny, grid.nz},
                      step[3] = {stride, int64_t{grid.pitch_y} * stride, int64_t{grid.pitch_z} * stride};
        const float* here = row_of(grid, at[0], at[1], at[2]);
        Real slope[kMaxChannels] = {0};
        for (int axis = 0; axis < 3; ++axis) {
          for (int side = -1; side <= 1; side += 2) {
            if (at[axis] + side < 0 || at[axis] + side >= size[axis]) continue;
            const float* there = here + side * step[axis];
            for (int c = 0; c < stride; ++c) slope[c] = slope[c] + (here[c] - there[c]);
          }
        }
        int64_t* to = own + int64_t{z * 81 + y * 9 + x} * stride;
        for (int c = 0; c < grid.channels; ++c) {
          const double quanta = static_cast<double>(slope[c]) * job.args.rates[c] / job.quantum;
          if (!(quanta < 0x1p50 && quanta > -0x1p50)) {
            beyond = true;
            continue;
          }
          wrapped |= add_to(to[c], round_to_quanta(quanta));
        }
      }
    }
  }
  return wrapped < 0 || beyond ? -1 : 0;
}

#endif  // !HP_REAL_IS_DOUBLE

template <class Optimizer>
static void update_array(const UpdateArgs& args, int64_t n, Real* values, const Real* gradient, Real* moments) {
  for (int64_t i = 0; i < n; i += kWidth) {
    const int count = static_cast<int>(n - i < kWidth ? n - i : kWidth);
    Real value[kWidth] = {0}, slope[kWidth] = {0}, moment[2][kWidth] = {{0}};
    for (int j = 0; j < count; ++j) {
      value[j] = values[i + j];
      slope[j] = gradient[i + j];
      for (int m = 0; m < Optimizer::kMoments; ++m) moment[m][j] = moments[2 * (i + j) + m];
    }
    F m[Optimizer::kMoments];
    for (int k = 0; k < Optimizer::kMoments; ++k) m[k] = load_lanes(moment[k]);
    store_lanes(Optimizer::step(args, load_lanes(value), load_lanes(slope), splat(Real(args.rates[0])), m), value);
    for (int k = 0; k < Optimizer::kMoments; ++k) store_lanes(m[k], moment[k]);
    for (int j = 0; j < count; ++j) {
      values[i + j] = value[j];
      for (int k = 0; k < Optimizer::kMoments; ++k) moments[2 * (i + j) + k] = moment[k][j];
    }
  }
}

}  // namespace hp::HP_ISA_NS
