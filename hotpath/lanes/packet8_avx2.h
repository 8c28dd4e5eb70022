// Packets of 8 rays in AVX2 registers (AVX2, FMA, F16C). The same operations as lanes/scalar.h, element by element, so
// that every lane computes the bits that the scalar lane would.
#pragma once

#include <immintrin.h>

#include <cstdint>

#ifndef HP_ISA_NS
#error "define HP_ISA_NS before including a lane"
#endif
#define HP_FN inline __attribute__((always_inline))
#define HP_SLOW_FN __attribute__((noinline))  // kept out of hot loops

namespace hp::HP_ISA_NS {

using Real = float;
inline constexpr int kWidth = 8;
inline constexpr int kBlockWidth = 4, kBlockHeight = 2;  // pixels of a packet

struct F {
  __m256 v;
};
struct I {
  __m256i v;
};
struct U {
  __m256i v;
};
struct M {
  __m256 v;  // all bits of a lane set or clear
};

HP_FN F splat(Real x) {
  return {_mm256_set1_ps(x)};
}
HP_FN I splat_int(int32_t x) {
  return {_mm256_set1_epi32(x)};
}
HP_FN U splat_bits(uint32_t x) {
  return {_mm256_set1_epi32(static_cast<int32_t>(x))};
}
HP_FN M splat_mask(bool x) {
  return {_mm256_castsi256_ps(_mm256_set1_epi32(x ? -1 : 0))};
}
HP_FN M first_lanes(int count) {
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)))};
}

HP_FN F operator+(F a, F b) {
  return {_mm256_add_ps(a.v, b.v)};
}
HP_FN F operator-(F a, F b) {
  return {_mm256_sub_ps(a.v, b.v)};
}
HP_FN F operator*(F a, F b) {
  return {_mm256_mul_ps(a.v, b.v)};
}
HP_FN F operator/(F a, F b) {
  return {_mm256_div_ps(a.v, b.v)};
}
HP_FN F operator-(F a) {
  return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))};
}
HP_FN M operator<(F a, F b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)};
}
HP_FN M operator<=(F a, F b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)};
}
HP_FN M operator>(F a, F b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)};
}
HP_FN M operator>=(F a, F b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)};
}
HP_FN M operator==(F a, F b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)};
}
HP_FN I operator+(I a, I b) {
  return {_mm256_add_epi32(a.v, b.v)};
}
HP_FN I operator-(I a, I b) {
  return {_mm256_sub_epi32(a.v, b.v)};
}
HP_FN I operator*(I a, I b) {
  return {_mm256_mullo_epi32(a.v, b.v)};
}
HP_FN U operator+(U a, U b) {
  return {_mm256_add_epi32(a.v, b.v)};
}
HP_FN U operator^(U a, U b) {
  return {_mm256_xor_si256(a.v, b.v)};
}

HP_FN F madd(F a, F b, F c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
HP_FN F nmadd(F a, F b, F c) {
  return {_mm256_fnmadd_ps(a.v, b.v, c.v)};
}
HP_FN F square_root(F a) {
  return {_mm256_sqrt_ps(a.v)};
}
HP_FN F round_down(F a) {
  return {_mm256_floor_ps(a.v)};
}
HP_FN F min_of(F a, F b) {
  return {_mm256_min_ps(a.v, b.v)};
}  // a < b ? a : b
HP_FN F max_of(F a, F b) {
  return {_mm256_max_ps(a.v, b.v)};
}  // a > b ? a : b
HP_FN F select(M m, F a, F b) {
  return {_mm256_blendv_ps(b.v, a.v, m.v)};
}
HP_FN I select(M m, I a, I b) {
  return {_mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(b.v), _mm256_castsi256_ps(a.v), m.v))};
}
HP_FN F abs_of(F a) {
  return select(a < splat(0), -a, a);
}
HP_FN M both(M a, M b) {
  return {_mm256_and_ps(a.v, b.v)};
}
HP_FN M either(M a, M b) {
  return {_mm256_or_ps(a.v, b.v)};
}
HP_FN M without(M a, M b) {
  return {_mm256_andnot_ps(b.v, a.v)};
}
HP_FN bool any(M m) {
  return _mm256_movemask_ps(m.v) != 0;
}
HP_FN bool all(M m) {
  return _mm256_movemask_ps(m.v) == 0xff;
}
HP_FN int lowest_bit(uint32_t bits) {  // of bits != 0
  return __builtin_ctz(bits);
}
// Sets bits that several threads may set.
HP_FN void note_seen(uint32_t* word, uint32_t bits) {
  if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bits) != bits) __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}
HP_FN uint32_t mask_bits(M m) {  // bit i: lane i
  return static_cast<uint32_t>(_mm256_movemask_ps(m.v));
}
HP_FN int count_of(M m) {
  return __builtin_popcount(static_cast<unsigned>(_mm256_movemask_ps(m.v)));
}

HP_FN M equal(I a, I b) {
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))};
}
HP_FN M less_equal(I a, I b) {
  return {_mm256_castsi256_ps(_mm256_xor_si256(_mm256_cmpgt_epi32(a.v, b.v), _mm256_set1_epi32(-1)))};
}
HP_FN I int_max(I a, I b) {
  return {_mm256_max_epi32(a.v, b.v)};
}
HP_FN I int_min(I a, I b) {
  return {_mm256_min_epi32(a.v, b.v)};
}
HP_FN I shift_right(I a, int n) {
  return {_mm256_srai_epi32(a.v, n)};
}
HP_FN I shift_left(I a, int n) {
  return {_mm256_slli_epi32(a.v, n)};
}
HP_FN I shift_left_lanes(I a, I n) {  // 0 <= n < 32
  return {_mm256_sllv_epi32(a.v, n.v)};
}
HP_FN I bit_and(I a, int32_t b) {
  return {_mm256_and_si256(a.v, _mm256_set1_epi32(b))};
}
HP_FN I bit_and_lanes(I a, I b) {
  return {_mm256_and_si256(a.v, b.v)};
}
HP_FN I to_int(F a) {
  return {_mm256_cvttps_epi32(a.v)};
}
HP_FN F to_real(I a) {
  return {_mm256_cvtepi32_ps(a.v)};
}
HP_FN I bits_to_int(U a) {
  return {a.v};
}
HP_FN U int_to_bits(I a) {
  return {a.v};
}
HP_FN U multiply_low(U a, U b) {
  return {_mm256_mullo_epi32(a.v, b.v)};
}
HP_FN U multiply_high(U a, U b) {
  __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(a.v, b.v), 32);
  __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), _mm256_srli_epi64(b.v, 32));
  return {_mm256_blend_epi32(even, odd, 0xaa)};
}
HP_FN U shift_right_bits(U a, int n) {
  return {_mm256_srli_epi32(a.v, n)};
}

// `magic` + n holds the integer n in its low bits: adding it rounds to the nearest integer (ties to even).
inline constexpr Real kRoundingMagic = 12582912.0f;  // 1.5 * 2^23
// 2^n from kRoundingMagic + n, n a normal exponent.
HP_FN F exp2_of_magic(F magic_plus_n) {
  __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(magic_plus_n.v), 23);
  return {_mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(127 << 23)))};
}

HP_FN void store_lanes(F a, Real* out) {
  _mm256_storeu_ps(out, a.v);
}
HP_FN void store_lanes(I a, int32_t* out) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), a.v);
}
HP_FN F load_lanes(const Real* in) {
  return {_mm256_loadu_ps(in)};
}
HP_FN I load_lanes(const int32_t* in) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in))};
}
HP_FN bool lane_of(M m, int lane) {
  return (_mm256_movemask_ps(m.v) >> lane) & 1;
}

struct Half {
  uint16_t bits;
};
HP_FN F load_lanes(const Half* in) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)))};
}
HP_FN void store_lanes(F a, Half* out) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
// What storing it as f16 and reading it again makes of it.
HP_FN F nearest_half(F a) {
  return {_mm256_cvtph_ps(_mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))};
}

// The low 16 bits of every lane, packed.
HP_FN __m128i low_words(__m256i a) {
  const __m256i pick = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 4, 5, 8, 9, 12,
                                        13, -1, -1, -1, -1, -1, -1, -1, -1);
  __m256i packed = _mm256_shuffle_epi8(a, pick);
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}

HP_FN F gather(const float* base, I index) {
  return {_mm256_i32gather_ps(base, index.v, 4)};
}
HP_FN I gather_int(const int32_t* base, I index) {
  return {_mm256_i32gather_epi32(base, index.v, 4)};
}
HP_FN F gather(const Half* base, I index) {
  // The two bytes beyond the last value are read too: storage is padded.
  return {_mm256_cvtph_ps(low_words(_mm256_i32gather_epi32(reinterpret_cast<const int*>(base), index.v, 2)))};
}

// One x-pair (two adjacent values) per lane.
struct PairF {
  F x0, x1;
};
HP_FN PairF gather_pair(const float* base, I index) {
  const double* p = reinterpret_cast<const double*>(base);
  __m256 lo = _mm256_castpd_ps(_mm256_i32gather_pd(p, _mm256_castsi256_si128(index.v), 4));
  __m256 hi = _mm256_castpd_ps(_mm256_i32gather_pd(p, _mm256_extracti128_si256(index.v, 1), 4));
  auto in_order = [](__m256 a) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xd8)); };
  return {{in_order(_mm256_shuffle_ps(lo, hi, 0x88))}, {in_order(_mm256_shuffle_ps(lo, hi, 0xdd))}};
}
HP_FN PairF gather_pair(const Half* base, I index) {
  __m256i words = _mm256_i32gather_epi32(reinterpret_cast<const int*>(base), index.v, 2);
  return {{_mm256_cvtph_ps(low_words(words))}, {_mm256_cvtph_ps(low_words(_mm256_srli_epi32(words, 16)))}};
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

// The x-pair of one lane, four channels: (x0 | x1).
HP_FN __m256 load_pair(const float* p, int stride_x) {
  if (stride_x == 4) return _mm256_loadu_ps(p);
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + stride_x), 1);
}
HP_FN __m256 load_pair(const Half* p, int stride_x) {
  if (stride_x == 4) return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  __m128i x0 = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  __m128i x1 = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + stride_x));
  return _mm256_cvtph_ps(_mm_unpacklo_epi64(x0, x1));
}

// One register per lane for the y and z steps; two lanes for the x step; then a transpose inside 128-bit halves.
template <class S>
HP_FN void trilinear4(const S* base, I cell, int stride_x, int64_t stride_y, int64_t stride_z, F fx, F fy, F fz,
                      F out[4]) {
  alignas(32) uint32_t cells[8];
  alignas(32) float wy[8], wz[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(cells), cell.v);
  _mm256_store_ps(wy, fy.v);
  _mm256_store_ps(wz, fz.v);
  const uint64_t width = static_cast<uint64_t>(stride_x);
  __m256 pair[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    __m256 lane[2];  // lanes i and i+4
#pragma GCC unroll 2
    for (int u = 0; u < 2; ++u) {
      const int j = i + 4 * u;
      const S* p = base + cells[j] * width;
      __m256 v00 = load_pair(p, stride_x), v10 = load_pair(p + stride_y, stride_x);
      __m256 v01 = load_pair(p + stride_z, stride_x), v11 = load_pair(p + stride_z + stride_y, stride_x);
      __m256 y = _mm256_broadcast_ss(&wy[j]), z = _mm256_broadcast_ss(&wz[j]);
      __m256 a = _mm256_fmadd_ps(y, _mm256_sub_ps(v10, v00), v00), b = _mm256_fmadd_ps(y, _mm256_sub_ps(v11, v01), v01);
      lane[u] = _mm256_fmadd_ps(z, _mm256_sub_ps(b, a), a);
    }
    __m256 x0 = _mm256_permute2f128_ps(lane[0], lane[1], 0x20), x1 = _mm256_permute2f128_ps(lane[0], lane[1], 0x31);
    __m256 wx = i == 0   ? _mm256_permute_ps(fx.v, 0x00)
                : i == 1 ? _mm256_permute_ps(fx.v, 0x55)
                : i == 2 ? _mm256_permute_ps(fx.v, 0xaa)
                         : _mm256_permute_ps(fx.v, 0xff);
    pair[i] = _mm256_fmadd_ps(wx, _mm256_sub_ps(x1, x0), x0);
  }
  __m256 t0 = _mm256_unpacklo_ps(pair[0], pair[1]), t1 = _mm256_unpackhi_ps(pair[0], pair[1]);
  __m256 t2 = _mm256_unpacklo_ps(pair[2], pair[3]), t3 = _mm256_unpackhi_ps(pair[2], pair[3]);
  out[0].v = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(t0), _mm256_castps_pd(t2)));
  out[1].v = _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(t0), _mm256_castps_pd(t2)));
  out[2].v = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(t1), _mm256_castps_pd(t3)));
  out[3].v = _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(t1), _mm256_castps_pd(t3)));
}

}  // namespace hp::HP_ISA_NS
