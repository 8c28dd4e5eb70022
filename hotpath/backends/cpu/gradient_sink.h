// GradientSink: where a thread's adjoints go (bodies/fused_adjoint.h says what a sink is). Field values go to the
// store's bricks, cell by cell: the lanes of a packet that lie in one cell are summed before memory is touched. Sums of
// few parameters go to the thread's own. Everything is in quanta: exact, so that no order changes a bit.
#pragma once

#include "backends/cpu/gradient_store.h"
#include "backends/cpu/scatter_log.h"
#include "bodies/args.h"
#include "bodies/sum128.h"
#include "fields/brick.h"

namespace hp::HP_ISA_NS {

#if !defined(HP_REAL_IS_DOUBLE)

// Adds what a log holds, brick by brick, and empties it. `stride`: values per voxel.
HP_FN void prefetch_cell(const int64_t* values, int stride) {
  for (int row : {0, kCellRow, kCellSlice, kCellSlice + kCellRow}) {
    const int64_t* p = values + row * stride;
    for (int i = 0; i < 2 * stride; i += 8) __builtin_prefetch(p + i, 1);
    if (stride < 8) __builtin_prefetch(p + 2 * stride - 1, 1);
  }
}

template <class Sum, class Flush>
HP_FN void add_noted_as(cpu::ScatterLog& log, cpu::GradientStore& store, int stride, Flush flush) {
  constexpr size_t kAhead = 4;  // records whose memory is on its way
  const std::vector<uint32_t>& order = log.Order();
  const size_t n = order.size();
  int64_t beyond = 0;
  for (size_t i = 0; i < n;) {
    const int32_t brick = log.At(order[i])->brick;
    int64_t* values = store.Lock(brick);
    for (; i < n; ++i) {
      cpu::ScatterRecord* r = log.At(order[i]);
      if (r->brick != brick) break;
      if (i + 2 * kAhead < n) __builtin_prefetch(log.At(order[i + 2 * kAhead]));
      if (i + kAhead < n) {
        const cpu::ScatterRecord* next = log.At(order[i + kAhead]);
        if (next->brick == brick) prefetch_cell(values + next->at, stride);
      }
      Sum sum;
      sum.clear();
      sum.add_values(r->fx, r->w, cpu::ScatterLog::Values(r));
      beyond |= flush(sum, values, r->at, r->row, r->x);
    }
    store.Unlock(brick);
  }
  log.Clear();
  if (beyond < 0) store.SetOverflow();
}

static void add_noted(cpu::ScatterLog& log, cpu::GradientStore& store, int stride) {
#if defined(HP_LANE_HAS_VOXEL16)
  if (log.values() == 16) {
    add_noted_as<CellSum16>(log, store, 16, [&](const CellSum16& sum, int64_t* values, int32_t at, int row, int x) {
      return sum.flush_new(values + at, store.VoxelsOf(values) + row, x);
    });
    return;
  }
#endif
  add_noted_as<CellSum4>(log, store, stride, [&](const CellSum4& sum, int64_t* values, int32_t at, int row, int x) {
    store.PrepareCell(values, row, x);
    return sum.flush(values + at, stride);
  });
}

#endif

class GradientSink {
 public:
  // The adjoint image is multiplied by scale() on the way in, a power of two: then field values come in quanta.
  HP_FN GradientSink(const Job& job, Counters& counters)
      : store_(static_cast<cpu::GradientStore*>(job.gradients.store)),
        log_(static_cast<cpu::ScatterLog*>(counters.log)),
        counters_(counters),
        scene_((job.gradients.wanted & HP_WANT_SCENE) != 0),
        scale_(store_ ? power_of_two(-job.gradients.exponent) : 1.0),
        sum_scale_(power_of_two(-HP_SUM_EXPONENT) / scale_) {}

  HP_FN bool values() const { return store_ != nullptr; }
  HP_FN bool scene() const { return scene_; }
  HP_FN Real scale() const { return Real(scale_); }

  HP_FN void scatter1(const Cell& cell, F d, M live) {
    live = fitting(abs_of(d) < splat(Real(kLargest)), live);
    CellSum1 sum;
    sum.load(cell.fx, cell.w00, cell.w10, cell.w01, cell.w11, d);
    each_cell(cell, live, sum, [&](int64_t* brick, int32_t local) { return sum.flush(brick + local); });
  }
  HP_FN void scatter4(const Cell& cell, int first, int stride, const F d[4], M live) {
    const F limit = splat(Real(kLargest));
    M fits = both(both(abs_of(d[0]) < limit, abs_of(d[1]) < limit), both(abs_of(d[2]) < limit, abs_of(d[3]) < limit));
    live = fitting(fits, live);
    CellSum4 sum;
    sum.load(cell.fx, cell.w00, cell.w10, cell.w01, cell.w11, d);
    if (note(cell, live, sum, first, stride)) return;
    each_cell(cell, live, sum, [&](int64_t* brick, int32_t local) {
      return sum.flush(brick + int64_t{local} * stride + first, stride);
    });
  }

  // All values of voxels that are 16 wide.
  HP_FN void scatter16(const Cell& cell, const F d[16], M live) {
#if defined(HP_LANE_HAS_VOXEL16)
    const F limit = splat(Real(kLargest));
    M fits = splat_mask(true);
    for (int i = 0; i < 16; ++i) fits = both(fits, abs_of(d[i]) < limit);
    live = fitting(fits, live);
    CellSum16 sum;
    sum.load(cell.fx, cell.w00, cell.w10, cell.w01, cell.w11, d);
    if (note(cell, live, sum, 0, 16)) return;
    each_cell(cell, live, sum, [&](int64_t* brick, int32_t local) { return sum.flush(brick + int64_t{local} * 16); });
#else
    for (int i = 0; i < 16; i += 4) scatter4(cell, i, 16, d + i, live);
#endif
  }

  HP_FN void add(int sum, F d, M live) {
    Real lanes[kWidth];
    store_lanes(d, lanes);
    for (uint32_t bits = mask_bits(live); bits != 0; bits &= bits - 1) {
      add_one(sum, static_cast<double>(lanes[__builtin_ctz(bits)]));
    }
  }
  // One contribution, multiplied by scale().
  HP_FN void add_one(int sum, double d) {
    Sum128 one;
    if (to_sum(d * sum_scale_, one)) {
      add_to_sum(counters_.sums[sum], one);
    } else {
      ++counters_.value[HP_COUNTER_OVERFLOWED];
    }
  }

 private:
  static constexpr double kLargest = 0x1p50;  // quanta

  HP_FN M fitting(M fits, M live) {
    const M beyond = without(live, fits);
    if (any(beyond)) {
      counters_.value[HP_COUNTER_OVERFLOWED] += count_of(beyond);
      store_->SetOverflow();
    }
    return both(live, fits);
  }

  // Puts the contributions of live lanes off; false when they are to be added at once.
  template <class Sum>
  HP_FN bool note([[maybe_unused]] const Cell& cell, [[maybe_unused]] M live, [[maybe_unused]] const Sum& sum,
                  [[maybe_unused]] int first, [[maybe_unused]] int stride) {
#if defined(HP_REAL_IS_DOUBLE)
    return false;
#else
    if (!log_ || log_->values() != Sum::kValues) return false;
    uint32_t left = mask_bits(live);
    if (left == 0) return true;
    if (!log_->HasRoom(kWidth)) add_noted(*log_, *store_, stride);
    alignas(64) int32_t bricks[kWidth], locals[kWidth], rows[kWidth];
    store_lanes(cell.brick, bricks);
    store_lanes(cell.local, locals);
    store_lanes(cell.row, rows);
    for (; left != 0; left &= left - 1) {
      const int i = __builtin_ctz(left);
      cpu::ScatterRecord* r = log_->Append();
      r->brick = bricks[i];
      r->at = locals[i] * stride + first;
      r->fx = sum.fx[i];
      for (int row = 0; row < 4; ++row) r->w[row] = sum.w[row][i];
      r->row = static_cast<uint8_t>(rows[i]);
      r->x = static_cast<uint8_t>(locals[i] - kCellRow * rows[i]);
      sum.get(i, cpu::ScatterLog::Values(r));
    }
    return true;
#endif
  }

  template <class Sum, class Flush>
  HP_FN void each_cell(const Cell& cell, M live, Sum& sum, Flush flush) {
    uint32_t left = mask_bits(live);
    if (left == 0) return;
    // Differs for different cells, if only modulo 2^32.
    const I key = cell.brick * splat_int(kCellsOfBrick) + cell.local;
    alignas(64) int32_t keys[kWidth], bricks[kWidth], locals[kWidth], rows[kWidth];
    store_lanes(key, keys);
    store_lanes(cell.brick, bricks);
    store_lanes(cell.local, locals);
    store_lanes(cell.row, rows);
    int64_t beyond = 0;
    int32_t held = -1;
    int64_t* values = nullptr;
    do {
      const int first = __builtin_ctz(left);
      uint32_t same = mask_bits(equal(key, splat_int(keys[first]))) & left;
      left &= ~same;
      sum.clear();
      for (; same != 0; same &= same - 1) sum.add(__builtin_ctz(same));
      if (bricks[first] != held) {
        if (held >= 0) store_->Unlock(held);
        held = bricks[first];
        values = store_->Lock(held);
      }
      store_->PrepareCell(values, rows[first], locals[first] - kCellRow * rows[first]);
      beyond |= flush(values, locals[first]);
    } while (left != 0);
    store_->Unlock(held);
    if (beyond < 0) store_->SetOverflow();
  }

  cpu::GradientStore* store_;
  cpu::ScatterLog* log_;  // null: contributions are added at once
  Counters& counters_;
  bool scene_;
  double scale_, sum_scale_;
};

}  // namespace hp::HP_ISA_NS
