// Packets of 16 rays in AVX-512 registers (F, DQ, BW, VL). The same operations as lanes/scalar.h, element by element,
// so that every lane computes the bits that the scalar lane would.
#pragma once

#include <immintrin.h>
#include "lanes/sum_range.h"

#include <cstdint>

#ifndef HP_ISA_NS
#error "define HP_ISA_NS before including a lane"
#endif
#define HP_FN inline __attribute__((always_inline))
#define HP_SLOW_FN __attribute__((noinline))  // kept out of hot loops

namespace hp::HP_ISA_NS {

using Real = float;
inline constexpr int kWidth = 16;
inline constexpr int kBlockWidth = 4, kBlockHeight = 4;  // pixels of a packet

struct F {
  __m512 v;
};
struct I {
  __m512i v;
};
struct U {
  __m512i v;
};
struct M {
  __mmask16 v;
};

HP_FN F splat(Real x) {
  return {_mm512_set1_ps(x)};
}
HP_FN I splat_int(int32_t x) {
  return {_mm512_set1_epi32(x)};
}
HP_FN U splat_bits(uint32_t x) {
  return {_mm512_set1_epi32(static_cast<int32_t>(x))};
}
HP_FN M splat_mask(bool x) {
  return {static_cast<__mmask16>(x ? 0xffff : 0)};
}
HP_FN M first_lanes(int count) {
  return {static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1u << count) - 1u)};
}

HP_FN F operator+(F a, F b) {
  return {_mm512_add_ps(a.v, b.v)};
}
HP_FN F operator-(F a, F b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
HP_FN F operator*(F a, F b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
HP_FN F operator/(F a, F b) {
  return {_mm512_div_ps(a.v, b.v)};
}
HP_FN F operator-(F a) {
  return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))};
}
HP_FN M operator<(F a, F b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
HP_FN M operator<=(F a, F b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)};
}
HP_FN M operator>(F a, F b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)};
}
HP_FN M operator>=(F a, F b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)};
}
HP_FN M operator==(F a, F b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)};
}
HP_FN I operator+(I a, I b) {
  return {_mm512_add_epi32(a.v, b.v)};
}
HP_FN I operator-(I a, I b) {
  return {_mm512_sub_epi32(a.v, b.v)};
}
HP_FN I operator*(I a, I b) {
  return {_mm512_mullo_epi32(a.v, b.v)};
}
HP_FN U operator+(U a, U b) {
  return {_mm512_add_epi32(a.v, b.v)};
}
HP_FN U operator^(U a, U b) {
  return {_mm512_xor_si512(a.v, b.v)};
}

HP_FN F madd(F a, F b, F c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
HP_FN F nmadd(F a, F b, F c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
HP_FN F square_root(F a) {
  return {_mm512_sqrt_ps(a.v)};
}
HP_FN F round_down(F a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
HP_FN F min_of(F a, F b) {
  return {_mm512_min_ps(a.v, b.v)};
}  // a < b ? a : b
HP_FN F max_of(F a, F b) {
  return {_mm512_max_ps(a.v, b.v)};
}  // a > b ? a : b
HP_FN F select(M m, F a, F b) {
  return {_mm512_mask_blend_ps(m.v, b.v, a.v)};
}
HP_FN I select(M m, I a, I b) {
  return {_mm512_mask_blend_epi32(m.v, b.v, a.v)};
}
HP_FN F abs_of(F a) {
  return select(a < splat(0), -a, a);
}
HP_FN M both(M a, M b) {
  return {static_cast<__mmask16>(a.v & b.v)};
}
HP_FN M either(M a, M b) {
  return {static_cast<__mmask16>(a.v | b.v)};
}
HP_FN M without(M a, M b) {
  return {static_cast<__mmask16>(a.v & ~b.v)};
}
HP_FN bool any(M m) {
  return m.v != 0;
}
HP_FN bool all(M m) {
  return m.v == 0xffff;
}
HP_FN int lowest_bit(uint32_t bits) {  // of bits != 0
  return __builtin_ctz(bits);
}
// Sets bits that several threads may set.
HP_FN void note_seen(uint32_t* word, uint32_t bits) {
  if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bits) != bits) __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}
HP_FN uint32_t mask_bits(M m) {  // bit i: lane i
  return m.v;
}
HP_FN int count_of(M m) {
  return __builtin_popcount(m.v);
}

HP_FN M equal(I a, I b) {
  return {_mm512_cmpeq_epi32_mask(a.v, b.v)};
}
HP_FN M less_equal(I a, I b) {
  return {_mm512_cmple_epi32_mask(a.v, b.v)};
}
HP_FN I int_max(I a, I b) {
  return {_mm512_max_epi32(a.v, b.v)};
}
HP_FN I int_min(I a, I b) {
  return {_mm512_min_epi32(a.v, b.v)};
}
HP_FN I shift_right(I a, int n) {
  return {_mm512_srai_epi32(a.v, static_cast<unsigned>(n))};
}
HP_FN I shift_left(I a, int n) {
  return {_mm512_slli_epi32(a.v, static_cast<unsigned>(n))};
}
HP_FN I shift_left_lanes(I a, I n) {  // 0 <= n < 32
  return {_mm512_sllv_epi32(a.v, n.v)};
}
HP_FN I bit_and(I a, int32_t b) {
  return {_mm512_and_si512(a.v, _mm512_set1_epi32(b))};
}
HP_FN I bit_and_lanes(I a, I b) {
  return {_mm512_and_si512(a.v, b.v)};
}
HP_FN I to_int(F a) {
  return {_mm512_cvttps_epi32(a.v)};
}
HP_FN F to_real(I a) {
  return {_mm512_cvtepi32_ps(a.v)};
}
HP_FN I bits_to_int(U a) {
  return {a.v};
}
HP_FN U int_to_bits(I a) {
  return {a.v};
}
HP_FN U multiply_low(U a, U b) {
  return {_mm512_mullo_epi32(a.v, b.v)};
}
HP_FN U multiply_high(U a, U b) {
  __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(a.v, b.v), 32);
  __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), _mm512_srli_epi64(b.v, 32));
  return {_mm512_mask_blend_epi32(0xaaaa, even, odd)};
}
HP_FN U shift_right_bits(U a, int n) {
  return {_mm512_srli_epi32(a.v, static_cast<unsigned>(n))};
}

// `magic` + n holds the integer n in its low bits: adding it rounds to the nearest integer (ties to even).
inline constexpr Real kRoundingMagic = 12582912.0f;  // 1.5 * 2^23
// 2^n from kRoundingMagic + n, n a normal exponent.
HP_FN F exp2_of_magic(F magic_plus_n) {
  __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(magic_plus_n.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(127 << 23)))};
}

HP_FN void store_lanes(F a, Real* out) {
  _mm512_storeu_ps(out, a.v);
}
HP_FN void store_lanes(I a, int32_t* out) {
  _mm512_storeu_si512(out, a.v);
}
HP_FN F load_lanes(const Real* in) {
  return {_mm512_loadu_ps(in)};
}
HP_FN I load_lanes(const int32_t* in) {
  return {_mm512_loadu_si512(in)};
}
HP_FN bool lane_of(M m, int lane) {
  return (m.v >> lane) & 1;
}

struct Half {
  uint16_t bits;
};
HP_FN F load_lanes(const Half* in) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in)))};
}
HP_FN void store_lanes(F a, Half* out) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
// What storing it as f16 and reading it again makes of it.
HP_FN F nearest_half(F a) {
  return {_mm512_cvtph_ps(_mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))};
}

HP_FN F gather(const float* base, I index) {
  return {_mm512_i32gather_ps(index.v, base, 4)};
}
HP_FN I gather_int(const int32_t* base, I index) {
  return {_mm512_i32gather_epi32(index.v, base, 4)};
}
HP_FN F gather(const Half* base, I index) {
  // The two bytes beyond the last value are read too: storage is padded.
  __m512i words = _mm512_i32gather_epi32(index.v, base, 2);
  return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(words))};
}

// One x-pair (two adjacent values) per lane.
struct PairF {
  F x0, x1;
};
HP_FN PairF gather_pair(const float* base, I index) {
  __m512d lo = _mm512_i32gather_pd(_mm512_castsi512_si256(index.v), base, 4);
  __m512d hi = _mm512_i32gather_pd(_mm512_extracti64x4_epi64(index.v, 1), base, 4);
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  __m512 a = _mm512_castpd_ps(lo), b = _mm512_castpd_ps(hi);
  return {{_mm512_permutex2var_ps(a, even, b)}, {_mm512_permutex2var_ps(a, odd, b)}};
}
HP_FN PairF gather_pair(const Half* base, I index) {
  __m512i words = _mm512_i32gather_epi32(index.v, base, 2);
  return {{_mm512_cvtph_ps(_mm512_cvtepi32_epi16(words))},
          {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(words, 16)))}};
}

template <class S>
HP_FN F trilinear1(const S* base, I cell, int32_t stride_y, int32_t stride_z, F fx, F fy, F fz) {
  PairF v00 = gather_pair(base, cell), v10 = gather_pair(base + stride_y, cell);
  PairF v01 = gather_pair(base + stride_z, cell), v11 = gather_pair(base + stride_z + stride_y, cell);
  F a0 = madd(fy, v10.x0 - v00.x0, v00.x0), b0 = madd(fy, v11.x0 - v01.x0, v01.x0);
  F a1 = madd(fy, v10.x1 - v00.x1, v00.x1), b1 = madd(fy, v11.x1 - v01.x1, v01.x1);
  F c0 = madd(fz, b0 - a0, a0), c1 = madd(fz, b1 - a1, a1);
  return madd(fx, c1 - c0, c0);
}

// The x-pairs of two lanes, four channels each: (lane a: x0 x1 | lane b: x0 x1).
HP_FN __m512 load_two_pairs(const float* a, const float* b, int stride_x) {
  if (stride_x == 4) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a)), _mm256_loadu_ps(b), 1);
  }
  __m256 pa = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a)), _mm_loadu_ps(a + stride_x), 1);
  __m256 pb = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(b)), _mm_loadu_ps(b + stride_x), 1);
  return _mm512_insertf32x8(_mm512_castps256_ps512(pa), pb, 1);
}
HP_FN __m512 load_two_pairs(const Half* a, const Half* b, int stride_x) {
  auto load8 = [](const Half* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); };
  auto load4 = [](const Half* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); };
  __m128i pa, pb;
  if (stride_x == 4) {
    pa = load8(a);
    pb = load8(b);
  } else {
    pa = _mm_unpacklo_epi64(load4(a), load4(a + stride_x));
    pb = _mm_unpacklo_epi64(load4(b), load4(b + stride_x));
  }
  return _mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(pa), pb, 1));
}

// Two lanes share a register for the y and z steps; four lanes for the x step; a transpose inside 128-bit groups then
// gives channel-major packets. Memory is read in whole x-pairs, never gathered value by value.
template <class S>
HP_FN void trilinear4(const S* base, I cell, int stride_x, int64_t stride_y, int64_t stride_z, F fx, F fy, F fz,
                      F out[4]) {
  // Voxels are at least 8 bytes: addresses are base + 8 * index, which the load instruction itself computes.
  const int units = stride_x * static_cast<int>(sizeof(S)) / 8;
  alignas(64) uint32_t index[16];
  if (units <= 2) {
    _mm512_store_si512(index, units == 2 ? _mm512_slli_epi32(cell.v, 1) : cell.v);
  } else {
    _mm512_store_si512(index, cell.v);
  }
  // The compiler must not pull the indices back out of the register: that loads the shuffle port, memory does not.
  asm("" : "+m"(index));
  const S* const row00 = base;
  const S* const row10 = base + stride_y;
  const S* const row01 = base + stride_z;
  const S* const row11 = base + stride_z + stride_y;
  auto at = [&](const S* row, int lane) {
    const uint64_t offset = units <= 2 ? index[lane] : uint64_t{index[lane]} * static_cast<uint64_t>(units);
    return reinterpret_cast<const S*>(reinterpret_cast<const char*>(row) + offset * 8);
  };
  const __m512i upper = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4);
  __m512 quad[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    __m512 half[2];  // lanes (i, i+4) and (i+8, i+12)
#pragma GCC unroll 2
    for (int u = 0; u < 2; ++u) {
      const int j = i + 8 * u;
      const __m512i which = _mm512_add_epi32(upper, _mm512_set1_epi32(j));
      const __m512 wy = _mm512_permutexvar_ps(which, fy.v), wz = _mm512_permutexvar_ps(which, fz.v);
      __m512 v00 = load_two_pairs(at(row00, j), at(row00, j + 4), stride_x);
      __m512 v10 = load_two_pairs(at(row10, j), at(row10, j + 4), stride_x);
      __m512 v01 = load_two_pairs(at(row01, j), at(row01, j + 4), stride_x);
      __m512 v11 = load_two_pairs(at(row11, j), at(row11, j + 4), stride_x);
      __m512 a = _mm512_fmadd_ps(wy, _mm512_sub_ps(v10, v00), v00);
      __m512 b = _mm512_fmadd_ps(wy, _mm512_sub_ps(v11, v01), v01);
      half[u] = _mm512_fmadd_ps(wz, _mm512_sub_ps(b, a), a);
    }
    __m512 x0 = _mm512_shuffle_f32x4(half[0], half[1], 0x88), x1 = _mm512_shuffle_f32x4(half[0], half[1], 0xdd);
    __m512 wx = i == 0   ? _mm512_permute_ps(fx.v, 0x00)
                : i == 1 ? _mm512_permute_ps(fx.v, 0x55)
                : i == 2 ? _mm512_permute_ps(fx.v, 0xaa)
                         : _mm512_permute_ps(fx.v, 0xff);
    quad[i] = _mm512_fmadd_ps(wx, _mm512_sub_ps(x1, x0), x0);
  }
  __m512 t0 = _mm512_unpacklo_ps(quad[0], quad[1]), t1 = _mm512_unpackhi_ps(quad[0], quad[1]);
  __m512 t2 = _mm512_unpacklo_ps(quad[2], quad[3]), t3 = _mm512_unpackhi_ps(quad[2], quad[3]);
  out[0].v = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t0), _mm512_castps_pd(t2)));
  out[1].v = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t0), _mm512_castps_pd(t2)));
  out[2].v = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t1), _mm512_castps_pd(t3)));
  out[3].v = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t1), _mm512_castps_pd(t3)));
}

// ---- voxels of sixteen values: a register each ----
#define HP_LANE_HAS_VOXEL16 1

// Rows to columns.
HP_FN void transpose16(__m512 r[16]) {
  __m512 t[16];
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {  // 4 x 4 within 128-bit groups
    const __m512 a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
    const __m512 c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
    t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(c)));
    t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(c)));
    t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(b), _mm512_castps_pd(d)));
    t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(b), _mm512_castps_pd(d)));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // 4 x 4 of the groups
    const __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
    const __m512 c = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
    r[i] = _mm512_shuffle_f32x4(a, b, 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
    r[i + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
    r[i + 12] = _mm512_shuffle_f32x4(c, d, 0xdd);
  }
}

// All sixteen values of voxels that are so wide.
HP_FN void trilinear16(const float* base, I cell, int64_t stride_y, int64_t stride_z, F fx, F fy, F fz, F out[16]) {
  alignas(64) uint32_t index[16];
  alignas(64) float wx[16], wy[16], wz[16];
  _mm512_store_si512(index, cell.v);
  _mm512_store_ps(wx, fx.v);
  _mm512_store_ps(wy, fy.v);
  _mm512_store_ps(wz, fz.v);
  __m512 rows[16];
#pragma GCC unroll 16
  for (int lane = 0; lane < 16; ++lane) {
    const float* p = base + uint64_t{index[lane]} * 16;
    const __m512 y = _mm512_set1_ps(wy[lane]), z = _mm512_set1_ps(wz[lane]);
    __m512 c[2];
#pragma GCC unroll 2
    for (int x = 0; x < 2; ++x, p += 16) {
      const __m512 v00 = _mm512_loadu_ps(p), v10 = _mm512_loadu_ps(p + stride_y);
      const __m512 v01 = _mm512_loadu_ps(p + stride_z), v11 = _mm512_loadu_ps(p + stride_z + stride_y);
      const __m512 a = _mm512_fmadd_ps(y, _mm512_sub_ps(v10, v00), v00);
      const __m512 b = _mm512_fmadd_ps(y, _mm512_sub_ps(v11, v01), v01);
      c[x] = _mm512_fmadd_ps(z, _mm512_sub_ps(b, a), a);
    }
    rows[lane] = _mm512_fmadd_ps(_mm512_set1_ps(wx[lane]), _mm512_sub_ps(c[1], c[0]), c[0]);
  }
  transpose16(rows);
  for (int i = 0; i < 16; ++i) out[i].v = rows[i];
}

// ---- sums of contributions to a cell, see lanes/cell_sum.h
// -----------------------------------------------------------
#define HP_LANE_HAS_CELL_SUM 1

// Sums in registers: eight quanta of one row in each. Rounding is the conversion's own, to the nearest, ties to even.
// Gathers the bits of sums that are not copies of their sign; see kSumRangeBits.
HP_FN __m512i beyond_range(__m512i beyond, __m512i sum) {
  return _mm512_ternarylogic_epi64(beyond, sum, _mm512_srai_epi64(sum, 63), 0xF6);  // beyond | (sum ^ sign)
}
HP_FN bool is_beyond(__m512i beyond) {
  return _mm512_test_epi64_mask(beyond, _mm512_set1_epi64(int64_t{7} << kSumRangeBits)) != 0;
}

struct CellSum4 {
  static constexpr int kValues = 4;
  alignas(64) float fx[16], w[4][16], value[4][16];  // value: four rays' four values in turn, lane 4 q + i in [i][4 q]
  __m512i sum[4];
  HP_FN void load(F fx_, F w00, F w10, F w01, F w11, const F d[4]) {
    _mm512_store_ps(fx, fx_.v);
    _mm512_store_ps(w[0], w00.v);
    _mm512_store_ps(w[1], w10.v);
    _mm512_store_ps(w[2], w01.v);
    _mm512_store_ps(w[3], w11.v);
    const __m512d t0 = _mm512_castps_pd(_mm512_unpacklo_ps(d[0].v, d[1].v));
    const __m512d t1 = _mm512_castps_pd(_mm512_unpackhi_ps(d[0].v, d[1].v));
    const __m512d t2 = _mm512_castps_pd(_mm512_unpacklo_ps(d[2].v, d[3].v));
    const __m512d t3 = _mm512_castps_pd(_mm512_unpackhi_ps(d[2].v, d[3].v));
    _mm512_store_pd(reinterpret_cast<double*>(value[0]), _mm512_unpacklo_pd(t0, t2));
    _mm512_store_pd(reinterpret_cast<double*>(value[1]), _mm512_unpackhi_pd(t0, t2));
    _mm512_store_pd(reinterpret_cast<double*>(value[2]), _mm512_unpacklo_pd(t1, t3));
    _mm512_store_pd(reinterpret_cast<double*>(value[3]), _mm512_unpackhi_pd(t1, t3));
  }
  HP_FN void clear() {
    for (__m512i& s : sum) s = _mm512_setzero_si512();
  }
  HP_FN void add(int lane) {
    const float rows[4] = {w[0][lane], w[1][lane], w[2][lane], w[3][lane]};
    add_values(fx[lane], rows, value[lane & 3] + (lane & ~3));
  }
  HP_FN void get(int lane, float* out) const { _mm_storeu_ps(out, _mm_load_ps(value[lane & 3] + (lane & ~3))); }
  HP_FN void add_values(float x, const float rows[4], const float* values) {
    const __m128 v = _mm_loadu_ps(values);
    const __m128 upper = _mm_mul_ps(v, _mm_set1_ps(x)), lower = _mm_sub_ps(v, upper);
    const __m256 pair = _mm256_insertf128_ps(_mm256_castps128_ps256(lower), upper, 1);
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      sum[row] = _mm512_add_epi64(sum[row], _mm512_cvtps_epi64(_mm256_mul_ps(pair, _mm256_set1_ps(rows[row]))));
    }
  }
  HP_FN int64_t flush(int64_t* base, int stride) const {
    const int rows[4] = {0, 9, 81, 90};
    __m512i beyond = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      int64_t* p = base + rows[row] * stride;
      const __m512i old =
          stride == 4 ? _mm512_loadu_si512(p)
                      : _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<__m256i*>(p))),
                                           _mm256_loadu_si256(reinterpret_cast<__m256i*>(p + stride)), 1);
      const __m512i now = _mm512_add_epi64(old, sum[row]);
      beyond = beyond_range(beyond, now);
      if (stride == 4) {
        _mm512_storeu_si512(p, now);
      } else {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_castsi512_si256(now));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + stride), _mm512_extracti64x4_epi64(now, 1));
      }
    }
    return is_beyond(beyond) ? -1 : 0;
  }
};

// Sixteen adjacent values per voxel: two registers each.
struct CellSum16 {
  static constexpr int kValues = 16;
  alignas(64) float fx[16], w[4][16], value[16][16];  // value: by ray
  __m512i sum[4][4];                                  // row; lower and upper voxel, values 0-7 and 8-15
  HP_FN void load(F fx_, F w00, F w10, F w01, F w11, const F d[16]) {
    _mm512_store_ps(fx, fx_.v);
    _mm512_store_ps(w[0], w00.v);
    _mm512_store_ps(w[1], w10.v);
    _mm512_store_ps(w[2], w01.v);
    _mm512_store_ps(w[3], w11.v);
    __m512 rows[16];
    for (int i = 0; i < 16; ++i) rows[i] = d[i].v;
    transpose16(rows);
    for (int i = 0; i < 16; ++i) _mm512_store_ps(value[i], rows[i]);
  }
  HP_FN void clear() {
    for (auto& row : sum) {
      for (__m512i& s : row) s = _mm512_setzero_si512();
    }
  }
  HP_FN void add(int lane) {
    const float rows[4] = {w[0][lane], w[1][lane], w[2][lane], w[3][lane]};
    add_values(fx[lane], rows, value[lane]);
  }
  HP_FN void get(int lane, float* out) const { _mm512_storeu_ps(out, _mm512_load_ps(value[lane])); }
  HP_FN void add_values(float x, const float rows[4], const float* values) {
    const __m512 v = _mm512_loadu_ps(values);
    const __m512 upper = _mm512_mul_ps(v, _mm512_set1_ps(x)), lower = _mm512_sub_ps(v, upper);
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      const __m512 weight = _mm512_set1_ps(rows[row]);
      const __m512 low = _mm512_mul_ps(lower, weight), high = _mm512_mul_ps(upper, weight);
      sum[row][0] = _mm512_add_epi64(sum[row][0], _mm512_cvtps_epi64(_mm512_castps512_ps256(low)));
      sum[row][1] = _mm512_add_epi64(sum[row][1], _mm512_cvtps_epi64(_mm512_extractf32x8_ps(low, 1)));
      sum[row][2] = _mm512_add_epi64(sum[row][2], _mm512_cvtps_epi64(_mm512_castps512_ps256(high)));
      sum[row][3] = _mm512_add_epi64(sum[row][3], _mm512_cvtps_epi64(_mm512_extractf32x8_ps(high, 1)));
    }
  }
  // The same where voxels without a bit (at x and x + 1 of voxels[0, 1, 9, 10]) mean nothing yet.
  HP_FN int64_t flush_new(int64_t* base, uint16_t* voxels, int x) const {
    const int rows[4] = {0, 1, 9, 10};
    __m512i beyond = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      int64_t* p = base + rows[row] * 9 * 16;
      uint16_t* there = voxels + rows[row];
      const int known = *there >> x;
      *there = static_cast<uint16_t>(*there | 3 << x);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const auto mask = static_cast<__mmask8>(-(known >> (i / 2) & 1));
        const __m512i old = _mm512_maskz_loadu_epi64(mask, p + 8 * i), now = _mm512_add_epi64(old, sum[row][i]);
        beyond = beyond_range(beyond, now);
        _mm512_storeu_si512(p + 8 * i, now);
      }
    }
    return is_beyond(beyond) ? -1 : 0;
  }
  HP_FN int64_t flush(int64_t* base) const {
    const int rows[4] = {0, 9 * 16, 81 * 16, 90 * 16};
    __m512i beyond = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      int64_t* p = base + rows[row];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const __m512i old = _mm512_loadu_si512(p + 8 * i), now = _mm512_add_epi64(old, sum[row][i]);
        beyond = beyond_range(beyond, now);
        _mm512_storeu_si512(p + 8 * i, now);
      }
    }
    return is_beyond(beyond) ? -1 : 0;
  }
};

struct CellSum1 {
  alignas(64) float pair[2][16], w[4][16];  // lower and upper value along x
  __m512i sum;                              // two of each row
  HP_FN void load(F fx, F w00, F w10, F w01, F w11, F d) {
    const F upper = d * fx, lower = d - upper;
    _mm512_store_ps(pair[0], lower.v);
    _mm512_store_ps(pair[1], upper.v);
    _mm512_store_ps(w[0], w00.v);
    _mm512_store_ps(w[1], w10.v);
    _mm512_store_ps(w[2], w01.v);
    _mm512_store_ps(w[3], w11.v);
  }
  HP_FN void clear() { sum = _mm512_setzero_si512(); }
  HP_FN void add(int lane) {
    const __m256 lower = _mm256_broadcast_ss(pair[0] + lane), upper = _mm256_broadcast_ss(pair[1] + lane);
    const __m256 value = _mm256_blend_ps(lower, upper, 0xaa);
    const __m128 w0 = _mm_broadcast_ss(w[0] + lane), w1 = _mm_broadcast_ss(w[1] + lane);
    const __m128 w2 = _mm_broadcast_ss(w[2] + lane), w3 = _mm_broadcast_ss(w[3] + lane);
    const __m256 weight =
        _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_blend_ps(w0, w1, 0xc)), _mm_blend_ps(w2, w3, 0xc), 1);
    sum = _mm512_add_epi64(sum, _mm512_cvtps_epi64(_mm256_mul_ps(value, weight)));
  }
  HP_FN int64_t flush(int64_t* base) const {
    __m512i beyond = _mm512_setzero_si512();
    auto add_row = [&](int64_t* p, __m128i more) {
      const __m128i now = _mm_add_epi64(_mm_loadu_si128(reinterpret_cast<__m128i*>(p)), more);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), now);
      beyond = beyond_range(beyond, _mm512_zextsi128_si512(now));
    };
    add_row(base, _mm512_castsi512_si128(sum));
    add_row(base + 9, _mm512_extracti64x2_epi64(sum, 1));
    add_row(base + 81, _mm512_extracti64x2_epi64(sum, 2));
    add_row(base + 90, _mm512_extracti64x2_epi64(sum, 3));
    return is_beyond(beyond) ? -1 : 0;
  }
};

}  // namespace hp::HP_ISA_NS
