// What exactness costs: the scatter of a packet's contributions into bricks, as the backward kernel does it, with int64
// sums and, for this bench alone, with float ones. AVX-512 lanes; no locks in either.
#define HP_ISA_NS bench_scatter
#include "lanes/packet16_avx512.h"
//
#include "fields/brick.h"
//
#include "bench_scatter.h"

#include <cstring>
#include <vector>

namespace hp::HP_ISA_NS {

// The float twin of CellSum4: the same products, rounded by nobody but the additions.
struct FloatSum4 {
  alignas(64) float fx[16], w[4][16], value[16][4];
  __m256 sum[4];
  HP_FN void load(F fx_, F w00, F w10, F w01, F w11, const F d[4]) {
    _mm512_store_ps(fx, fx_.v);
    _mm512_store_ps(w[0], w00.v);
    _mm512_store_ps(w[1], w10.v);
    _mm512_store_ps(w[2], w01.v);
    _mm512_store_ps(w[3], w11.v);
    float channel[4][16];
    for (int c = 0; c < 4; ++c) store_lanes(d[c], channel[c]);
    for (int i = 0; i < 16; ++i) {
      for (int c = 0; c < 4; ++c) value[i][c] = channel[c][i];
    }
  }
  HP_FN void clear() {
    for (__m256& s : sum) s = _mm256_setzero_ps();
  }
  HP_FN void add(int lane) {
    const __m128 v = _mm_load_ps(value[lane]);
    const __m128 upper = _mm_mul_ps(v, _mm_broadcast_ss(fx + lane)), lower = _mm_sub_ps(v, upper);
    const __m256 pair = _mm256_insertf128_ps(_mm256_castps128_ps256(lower), upper, 1);
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      sum[row] = _mm256_fmadd_ps(pair, _mm256_broadcast_ss(w[row] + lane), sum[row]);
    }
  }
  HP_FN int64_t flush(float* base, int stride) const {
    const int rows[4] = {0, 9, 81, 90};
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      float* p = base + rows[row] * stride;
      _mm256_storeu_ps(p, _mm256_add_ps(_mm256_loadu_ps(p), sum[row]));
    }
    return 0;
  }
};

// Packets of 4x4 pixels of a 512x512 image, 128 steps through a grid of 128^3: the cells of the dense bench.
template <class Sum, class Value>
static double scatter_all(int edge, int steps) {
  constexpr int kBricks = 16, kStride = 4;
  std::vector<Value> values(size_t{kBricks} * kBricks * kBricks * kCellsOfBrick * kStride);
  int64_t wrapped = 0;
  Sum sum;
  for (int by = 0; by < edge; by += 4) {
    for (int bx = 0; bx < edge; bx += 4) {
      float xs[16], ys[16];
      for (int i = 0; i < 16; ++i) {
        xs[i] = 12 + 76.0f * static_cast<float>(bx + i % 4) / static_cast<float>(edge);
        ys[i] = 12 + 76.0f * static_cast<float>(by + i / 4) / static_cast<float>(edge);
      }
      const F x0 = load_lanes(xs), y0 = load_lanes(ys);
      for (int k = 0; k < steps; ++k) {
        const F t = splat(static_cast<Real>(k) * (100.0f / static_cast<float>(steps)));
        const F x = madd(t, splat(0.27f), x0), y = madd(t, splat(0.2f), y0), z = madd(t, splat(1.0f), splat(10.5f));
        const I ix = to_int(x), iy = to_int(y), iz = to_int(z);
        Cell cell;
        cell.set(
            (shift_right(iz, 3) * splat_int(kBricks) + shift_right(iy, 3)) * splat_int(kBricks) + shift_right(ix, 3),
            ix, iy, iz, x - to_real(ix), y - to_real(iy), z - to_real(iz));
        const F d[4] = {x * splat(1e4f), y * splat(1e4f), z * splat(1e4f), t};
        sum.load(cell.fx, cell.w00, cell.w10, cell.w01, cell.w11, d);
        const I key = cell.brick * splat_int(kCellsOfBrick) + cell.local;
        alignas(64) int32_t keys[16];
        store_lanes(key, keys);
        for (uint32_t left = 0xffff; left != 0;) {
          const int first = __builtin_ctz(left);
          uint32_t same = mask_bits(equal(key, splat_int(keys[first]))) & left;
          left &= ~same;
          sum.clear();
          for (; same != 0; same &= same - 1) sum.add(__builtin_ctz(same));
          wrapped |= sum.flush(values.data() + size_t{kStride} * static_cast<size_t>(keys[first]), kStride);
        }
      }
    }
  }
  return static_cast<double>(values[values.size() / 2]) + static_cast<double>(wrapped);
}

}  // namespace hp::HP_ISA_NS

namespace dvren::bench {

using hp::bench_scatter::scatter_all;

double ScatterExact(int edge, int steps) {
  return scatter_all<hp::bench_scatter::CellSum4, std::int64_t>(edge, steps);
}
double ScatterFloat(int edge, int steps) {
  return scatter_all<hp::bench_scatter::FloatSum4, float>(edge, steps);
}

}  // namespace dvren::bench
