// GradientSink: where a thread's adjoints go (bodies/fused_adjoint.h says what a sink is). Field values go to the
// gradient's bricks and sums of few parameters to the block's copy of them, by atomic additions of integers: exact, so
// that no order changes a bit, and the same bits as the CPU's.
#pragma once

#include "backends/cuda/atomics.h"
#include "backends/cuda/device_views.h"
#include "bodies/args.h"
#include "bodies/sum128.h"
#include "fields/brick.h"
#include "lanes/sum_range.h"

namespace hp::HP_ISA_NS {

// Additions this large look at what they make of a sum. Smaller ones do not, and are faster for it: 2^31 of them at one
// place, all of one sign, between two looks at a gradient (parameters.cu `check`) would be needed to pass 2^63 unseen.
inline constexpr int64_t kCheckedFrom = int64_t{1} << 32;

// What one ray's sample adds to the eight voxels of its cell, kValues adjacent ones each: the output o is channel
// o % kValues of the lower or upper voxel along x, in the row o / (2 kValues).
template <int kValues>
struct CellAdjoint {
  static constexpr int kOutputs = 8 * kValues;
  Real fx, w[4], value[kValues];
  // In quanta; as lanes/cell_sum.h, to the bit.
  HP_FN int64_t output(int o) const {
    const Real whole = value[o % kValues], upper = whole * fx;
    const Real part = o / kValues % 2 ? upper : whole - upper;
    return round_to_quanta(static_cast<double>(part * w[o / (2 * kValues)]));
  }
  // Where it goes, in values from the cell's first.
  HP_FN static int64_t place(int o, int stride) {
    const int row = o / (2 * kValues);
    const int voxel = (row & 1) * kCellRow + (row >> 1) * kCellSlice + o / kValues % 2;
    return int64_t{voxel} * stride + o % kValues;
  }
};

class GradientSink {
 public:
  // The adjoint image is multiplied by scale() on the way in, a power of two: then field values come in quanta.
  HP_FN GradientSink(const Job& job, Counters& counters)
      : counters_(counters),
        scene_((job.gradients.wanted & HP_WANT_SCENE) != 0),
        scale_(scale_of(job)),
        sum_scale_(power_of_two(-HP_SUM_EXPONENT) / scale_) {
    if (job.gradients.store) store_ = *static_cast<const cuda::GradientView*>(job.gradients.store);
  }
  HP_FN static double scale_of(const Job& job) {
    return job.gradients.store ? power_of_two(-job.gradients.exponent) : 1.0;
  }

  HP_FN bool values() const { return store_.sums != nullptr; }
  HP_FN bool scene() const { return scene_; }
  HP_FN Real scale() const { return Real(scale_); }

  HP_FN void scatter1(const Cell& cell, F d, M live) { scatter<1>(cell, 0, 1, &d, live); }
  HP_FN void scatter4(const Cell& cell, int first, int stride, const F d[4], M live) {
    scatter<4>(cell, first, stride, d, live);
  }
  HP_FN void scatter16(const Cell& cell, const F d[16], M live) { scatter<16>(cell, 0, 16, d, live); }

  HP_FN void add(int sum, F d, M live) {
    if (live) add_one(sum, static_cast<double>(d));
  }
  // One contribution, multiplied by scale().
  HP_FN void add_one(int sum, double d) {
    Sum128 one;
    if (to_sum(d * sum_scale_, one)) {
      if (one.low != 0 || one.high != 0) atomic_add(counters_.sums + sum, one);
    } else {
      ++counters_.value[HP_COUNTER_OVERFLOWED];
    }
  }

 private:
  static constexpr double kLargest = 0x1p50;  // quanta

  template <int kValues>
  HP_FN void scatter(const Cell& cell, int first, int stride, const F* d, M live) {
    bool fits = true;
    for (int i = 0; i < kValues; ++i) fits = fits && abs_of(d[i]) < Real(kLargest);
    if (live && !fits) {
      ++counters_.value[HP_COUNTER_OVERFLOWED];
      *store_.overflow = 1;
      live = false;
    }
    CellAdjoint<kValues> mine;
    mine.fx = cell.fx;
    mine.w[0] = cell.w00, mine.w[1] = cell.w10, mine.w[2] = cell.w01, mine.w[3] = cell.w11;
    for (int i = 0; i < kValues; ++i) mine.value[i] = d[i];
    if (live && store_.touched[cell.brick] == 0) store_.touched[cell.brick] = 1;
    int64_t* base = store_.sums + (cell.brick * cuda::kVoxelsOfBrick + cell.local) * stride + first;
#if defined(__CUDA_ARCH__)
    scatter_warp(mine, base, stride, live);
#else
    if (!live) return;
    for (int o = 0; o < mine.kOutputs; ++o) add_to_place(base + mine.place(o, stride), mine.output(o));
#endif
  }

  HP_FN void add_to_place(int64_t* at, int64_t quanta) {
    if (quanta == 0) return;
    if (quanta < kCheckedFrom && quanta > -kCheckedFrom) {
      atomic_add(at, quanta);
      return;
    }
    const int64_t sum = atomic_add(at, quanta) + quanta;
    if ((sum ^ (sum >> 63)) >> kSumRangeBits != 0) *store_.overflow = 1;
  }

#if defined(__CUDA_ARCH__)
  // Rays of a warp are neighbours, and mostly in the same cells. Those that are there are added up before memory is
  // touched: for each cell in turn the warp's threads take its outputs, one each, and go over its rays. Then what a
  // cell adds is one coalesced addition of the warp. A ray whose warp has gone other ways takes part with those that
  // are here with it.
  template <int kValues>
  HP_FN void scatter_warp(const CellAdjoint<kValues>& mine, int64_t* base, int stride, bool live) {
    struct Shared {
      CellAdjoint<kValues> rays[32];
      int64_t* base[32];
      uint32_t same[32];
    };
    __shared__ Shared warps[kThreads / 32];
    constexpr int kOutputs = CellAdjoint<kValues>::kOutputs;
    const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x, lane = thread & 31u;
    Shared& warp = warps[thread / 32u];
    const uint32_t here = __activemask();
    const uint32_t alive = __ballot_sync(here, live);
    const uint32_t same = __match_any_sync(here, reinterpret_cast<unsigned long long>(base)) & alive;
    const bool leads = live && static_cast<unsigned>(__ffs(static_cast<int>(same)) - 1) == lane;
    uint32_t leaders = __ballot_sync(here, leads);
    // Threads of rays that have gone another way may read these places of theirs; nobody writes another's.
    warp.rays[lane] = mine;
    warp.base[lane] = base;
    warp.same[lane] = same;
    __syncwarp(here);
    const int threads = __popc(here), rank = __popc(here & ((1u << lane) - 1u));
    const int step = threads < kOutputs ? threads : kOutputs;  // threads that share a cell
    const int cells = threads / step, slot = rank / step;      // cells at a time
    while (leaders != 0) {
      uint32_t of_slot = 0;
      for (int i = 0; i < cells; ++i) {
        if (i == slot) of_slot = leaders;
        leaders &= leaders - 1;
      }
      if (of_slot == 0) continue;
      const int leader = __ffs(static_cast<int>(of_slot)) - 1;
      for (int o = rank - slot * step; o < kOutputs; o += step) {
        int64_t sum = 0;
        for (uint32_t left = warp.same[leader]; left != 0; left &= left - 1) {
          sum += warp.rays[__ffs(static_cast<int>(left)) - 1].output(o);
        }
        add_to_place(warp.base[leader] + CellAdjoint<kValues>::place(o, stride), sum);
      }
    }
    __syncwarp(here);
  }
#endif

  cuda::GradientView store_;
  Counters& counters_;
  bool scene_;
  double scale_, sum_scale_;
};

// The gradient of the step has a launch of its own (backward.inl).
HP_TASK void add_step(const Job&, const RayPacket&, const RayLoss&, int, GradientSink&) {}

}  // namespace hp::HP_ISA_NS
