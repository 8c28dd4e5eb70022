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
  uint8_t alive[8];

  // Which voxels of a row brick i has: bit x; of a neighbour in x the place of the first voxel alone.
  HP_FN static int voxels_of(const cpu::BlockUpdate& block, int i, int y, int z) {
    if (!block.bricks[i] || ((i & 2) && y != 0) || ((i & 4) && z != 0)) return 0;
    const int there = __atomic_load_n(block.voxels[i] + (i & 4 ? 8 : z) * 9 + (i & 2 ? 8 : y), __ATOMIC_RELAXED);
    return i & 1 ? there >> 8 & 1 : there & ((1 << block.extent[0]) - 1);
  }
  HP_FN static bool touched(const cpu::BlockUpdate& block, int y, int z) {
    int any = 0;
    for (int i = 0; i < 8; ++i) any |= voxels_of(block, i, y, z);
    return any != 0;
  }
  HP_FN void gather(const cpu::BlockUpdate& block, int stride, int y, int z) {
    const int n = block.extent[0] * stride;
    for (int i = 0; i < n; ++i) sum[i] = 0;
    for (int i = 0; i < 8; ++i) {
      int there = voxels_of(block, i, y, z);
      if (there == 0) continue;
      const int64_t* row =
          block.bricks[i] + int64_t{(i & 4 ? 8 : z) * 81 + (i & 2 ? 8 : y) * 9 + (i & 1 ? 8 : 0)} * stride;
      for (; there != 0; there &= there - 1) {
        const int at = lowest_bit(static_cast<uint32_t>(there)) * stride;
        for (int c = 0; c < stride; ++c) sum[at + c] += row[at + c];
      }
    }
    int64_t bits = 0;
    for (int i = 0; i < n; ++i) bits |= sum[i];
    any = bits != 0;
  }
  // Which voxels take part in a step.
  HP_FN void find_alive(int stride, int voxels, bool sparse) {
    any = any || !sparse;
    for (int x = 0; x < voxels; ++x) {
      int64_t bits = 0;
      for (int c = 0; c < stride; ++c) bits |= sum[x * stride + c];
      alive[x] = bits != 0 || !sparse ? 1 : 0;
    }
  }
};

#if !defined(HP_REAL_IS_DOUBLE)

template <class Stored>
static Stored* row_of(const DenseGridView& grid, int64_t x, int64_t y, int64_t z) {
  Stored* values = static_cast<Stored*>(const_cast<void*>(grid.values));
  return values + (z * grid.pitch_z + y * grid.pitch_y + x) * grid.channel_stride;
}

// Of f16 values the optimizer keeps f32 masters behind its moments, on which it takes its steps. A master counts as
// long as it rounds to the value that is stored: else somebody has written that, or there was no step yet.
template <class Optimizer, class Stored>
static int64_t update_block(const cpu::BlockUpdate& job) {
  constexpr bool kHalf = sizeof(Stored) == 2;
  constexpr int kKept = Optimizer::kMoments + (kHalf ? 1 : 0);
  const DenseGridView& grid = *job.grid;
  const int stride = grid.channel_stride, n = job.extent[0] * stride;
  alignas(64) Real rates[kRowValues] = {0}, gradient[kRowValues] = {0}, alive[kRowValues] = {0},
                   moment[kKept][kRowValues] = {{0}};
  alignas(64) Stored value[kRowValues] = {};
  for (int i = 0; i < n; ++i) rates[i] = i % stride < grid.channels ? Real(job.args.rates[i % stride]) : Real(0);
  // Rows that have something.
  int rows[64], count = 0;
  for (int z = 0; z < job.extent[2]; ++z) {
    for (int y = 0; y < job.extent[1]; ++y) {
      if (!job.args.sparse || GradientRow::touched(job, y, z)) rows[count++] = z * 8 + y;
    }
  }
  // Sums of a row are on their way two rows before they are added up, and what they change two rows before it does.
  constexpr int kAhead = 2;
  const float* known = job.find(job.moments, job.block);
  GradientRow ring[2 * kAhead];
  auto lines = [](const void* from, int bytes) {
    const char* p = static_cast<const char*>(from);
    for (const char* end = p + bytes; p < end; p += 64) __builtin_prefetch(p, 1);
    __builtin_prefetch(static_cast<const char*>(from) + bytes - 1, 1);
  };
  auto fetch_sums = [&](int r) {
    if (r >= count) return;
    const int y = rows[r] & 7, z = rows[r] >> 3;
    for (int there = GradientRow::voxels_of(job, 0, y, z); there != 0; there &= there - 1) {
      lines(job.bricks[0] + int64_t{z * 81 + y * 9 + lowest_bit(static_cast<uint32_t>(there))} * stride, stride * 8);
    }
  };
  auto add_up = [&](int r) {
    if (r >= count) return;
    const int y = rows[r] & 7, z = rows[r] >> 3;
    GradientRow& row = ring[r % (2 * kAhead)];
    row.gather(job, stride, y, z);
    row.find_alive(stride, job.extent[0], job.args.sparse != 0);
    const Stored* values = row_of<Stored>(grid, job.origin[0], job.origin[1] + y, job.origin[2] + z);
    for (int x = 0; x < job.extent[0]; ++x) {
      if (!row.alive[x]) continue;
      lines(values + x * stride, stride * static_cast<int>(sizeof(Stored)));
      for (int m = 0; known && m < kKept; ++m) {
        lines(known + m * job.moment_values + (int64_t{rows[r]} * 8 + x) * stride, stride * 4);
      }
    }
  };
  float* state = nullptr;
  int64_t changed = 0;
  for (int r = 0; r < kAhead; ++r) fetch_sums(r);
  for (int r = 0; r < kAhead; ++r) {
    fetch_sums(r + kAhead);
    add_up(r);
  }
  for (int r = 0; r < count; ++r) {
    fetch_sums(r + 2 * kAhead);
    add_up(r + kAhead);
    const int y = rows[r] & 7, z = rows[r] >> 3;
    const GradientRow& row = ring[r % (2 * kAhead)];
    if (!row.any) continue;
    if (!state) state = job.touch(job.moments, job.block);
    for (int x = 0; x < job.extent[0]; ++x) {
      changed += row.alive[x];
      for (int c = 0; c < stride; ++c) alive[x * stride + c] = Real(row.alive[x]);
    }
    for (int i = 0; i < n; ++i) gradient[i] = static_cast<Real>(static_cast<double>(row.sum[i]) * job.quantum);
    Stored* values = row_of<Stored>(grid, job.origin[0], job.origin[1] + y, job.origin[2] + z);
    float* kept = state + int64_t{z * 8 + y} * 8 * stride;
    // Whole rows are packets; others are copied out and back.
    const bool whole = n % kWidth == 0;
    Stored* v = whole ? values : value;
    float* of[kKept];
    for (int m = 0; m < kKept; ++m) of[m] = whole ? kept + m * job.moment_values : moment[m];
    if (!whole) {
      memcpy(value, values, static_cast<size_t>(n) * sizeof(Stored));
      for (int m = 0; m < kKept; ++m) {
        memcpy(moment[m], kept + m * job.moment_values, static_cast<size_t>(n) * sizeof(float));
      }
    }
    for (int i = 0; i < n; i += kWidth) {
      const M steps = load_lanes(alive + i) > splat(0);
      if (!any(steps)) continue;
      const F stored = load_lanes(v + i);
      F before = stored;
      if constexpr (kHalf) {
        const F master = load_lanes(of[kKept - 1] + i);
        before = select(nearest_half(master) == stored, master, stored);
      }
      F m[Optimizer::kMoments], old[Optimizer::kMoments];
      for (int k = 0; k < Optimizer::kMoments; ++k) m[k] = old[k] = load_lanes(of[k] + i);
      const F after = Optimizer::step(job.args, before, load_lanes(gradient + i), load_lanes(rates + i), m);
      store_lanes(select(steps, after, stored), v + i);
      if constexpr (kHalf) store_lanes(select(steps, after, before), of[kKept - 1] + i);
      for (int k = 0; k < Optimizer::kMoments; ++k) store_lanes(select(steps, m[k], old[k]), of[k] + i);
    }
    if (!whole) {
      memcpy(values, value, static_cast<size_t>(n) * sizeof(Stored));
      for (int m = 0; m < kKept; ++m) {
        memcpy(kept + m * job.moment_values, moment[m], static_cast<size_t>(n) * sizeof(float));
      }
    }
  }
  return changed;
}

HP_FN float value_of(float value) {
  return value;
}
HP_FN float value_of(Half half) {
  Half row[kWidth] = {half};
  Real out[kWidth];
  store_lanes(load_lanes(row), out);
  return out[0];
}

// Adds the slopes of the total variation at a block's voxels to its own brick. Places that others read at the same time
// are those behind the last cell of a brick, which this does not write. -1 when a sum has left its range.
template <class Stored>
static int64_t smooth_block(const cpu::BlockUpdate& job) {
  if (!job.own) return 0;
  const DenseGridView& grid = *job.grid;
  const int stride = grid.channel_stride;
  GradientRow row;
  int64_t beyond = 0;
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
        const Stored* here = row_of<Stored>(grid, at[0], at[1], at[2]);
        Real slope[kMaxChannels] = {0};
        for (int axis = 0; axis < 3; ++axis) {
          for (int side = -1; side <= 1; side += 2) {
            if (at[axis] + side < 0 || at[axis] + side >= size[axis]) continue;
            const Stored* there = here + side * step[axis];
            for (int c = 0; c < stride; ++c) slope[c] = slope[c] + (value_of(here[c]) - value_of(there[c]));
          }
        }
        job.prepare(job.gradient, job.own, z * 9 + y, x);
        int64_t* to = job.own + int64_t{z * 81 + y * 9 + x} * stride;
        for (int c = 0; c < grid.channels; ++c) {
          const double quanta = static_cast<double>(slope[c]) * job.args.rates[c] / job.quantum;
          if (!(quanta < 0x1p50 && quanta > -0x1p50)) {
            beyond = -1;
            continue;
          }
          beyond |= add_to(to[c], round_to_quanta(quanta));
        }
      }
    }
  }
  return beyond < 0 ? -1 : 0;
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
