// Sums of contributions to the eight values of one cell, in quanta, for lanes without instructions of their own for it.
// Every contribution is rounded to the nearest integer, ties to even; |contribution| < 2^50. Include after a lane.
#pragma once

#include <cstdint>
#include <cstring>

#include "lanes/sum_range.h"

namespace hp::HP_ISA_NS {

// Adding 1.5 * 2^52 leaves the integer in the low bits of a double.
HP_FN int64_t round_to_quanta(double x) {
  const double magic = 6755399441055744.0;
  double shifted = x + magic;
  int64_t bits, zero;
  memcpy(&bits, &shifted, sizeof bits);
  memcpy(&zero, &magic, sizeof zero);
  return bits - zero;
}

// a += b; negative when a has left the range of sums. |b| is below 2^58, so that it cannot pass it by.
HP_FN int64_t add_to(int64_t& a, int64_t b) {
  a = static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  return (a ^ (a >> 63)) >> kSumRangeBits != 0 ? -1 : 0;
}

#if !defined(HP_LANE_HAS_CELL_SUM)

// Four adjacent values per voxel. `rows`: distances of the four rows along x from the cell's first value, in quanta.
struct CellSum4 {
  static constexpr int kValues = 4;
  Real fx[kWidth], w[4][kWidth], value[4][kWidth];
  int64_t sum[4][8];
  HP_FN void load(F fx_, F w00, F w10, F w01, F w11, const F d[4]) {
    store_lanes(fx_, fx);
    store_lanes(w00, w[0]);
    store_lanes(w10, w[1]);
    store_lanes(w01, w[2]);
    store_lanes(w11, w[3]);
    for (int c = 0; c < 4; ++c) store_lanes(d[c], value[c]);
  }
  HP_FN void clear() { memset(sum, 0, sizeof sum); }
  HP_FN void add(int lane) {
    const Real rows[4] = {w[0][lane], w[1][lane], w[2][lane], w[3][lane]};
    Real values[4];
    get(lane, values);
    add_values(fx[lane], rows, values);
  }
  HP_FN void get(int lane, Real* out) const {
    for (int c = 0; c < 4; ++c) out[c] = value[c][lane];
  }
  HP_FN void add_values(Real x, const Real rows[4], const Real* values) {
    Real pair[8];
    for (int c = 0; c < 4; ++c) {
      pair[4 + c] = values[c] * x;
      pair[c] = values[c] - pair[4 + c];
    }
    for (int row = 0; row < 4; ++row) {
      for (int i = 0; i < 8; ++i) sum[row][i] += round_to_quanta(static_cast<double>(pair[i] * rows[row]));
    }
  }
  // Adds to memory; negative when a sum has left its range.
  HP_FN int64_t flush(int64_t* base, int stride) const {
    int64_t beyond = 0;
    const int rows[4] = {0, 9, 81, 90};
    for (int row = 0; row < 4; ++row) {
      int64_t* p = base + rows[row] * stride;
      for (int i = 0; i < 4; ++i) {
        beyond |= add_to(p[i], sum[row][i]);
        beyond |= add_to(p[stride + i], sum[row][4 + i]);
      }
    }
    return beyond;
  }
};

// One value per voxel.
struct CellSum1 {
  Real fx[kWidth], w[4][kWidth], value[kWidth];
  int64_t sum[8];
  HP_FN void load(F fx_, F w00, F w10, F w01, F w11, F d) {
    store_lanes(fx_, fx);
    store_lanes(w00, w[0]);
    store_lanes(w10, w[1]);
    store_lanes(w01, w[2]);
    store_lanes(w11, w[3]);
    store_lanes(d, value);
  }
  HP_FN void clear() { memset(sum, 0, sizeof sum); }
  HP_FN void add(int lane) {
    const Real upper = value[lane] * fx[lane], lower = value[lane] - upper;
    for (int row = 0; row < 4; ++row) {
      const Real weight = w[row][lane];
      sum[2 * row] += round_to_quanta(static_cast<double>(lower * weight));
      sum[2 * row + 1] += round_to_quanta(static_cast<double>(upper * weight));
    }
  }
  HP_FN int64_t flush(int64_t* base) const {
    int64_t beyond = 0;
    const int rows[4] = {0, 9, 81, 90};
    for (int row = 0; row < 4; ++row) {
      beyond |= add_to(base[rows[row]], sum[2 * row]);
      beyond |= add_to(base[rows[row] + 1], sum[2 * row + 1]);
    }
    return beyond;
  }
};

#endif

}  // namespace hp::HP_ISA_NS
