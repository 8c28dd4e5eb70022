// The scalar lane: one ray at a time in float or double. Portable; debugging reference, double-precision oracle, and
// the thread of a CUDA kernel. A translation unit picks its lane by including one lane header with HP_ISA_NS defined;
// HP_REAL_IS_DOUBLE chooses the precision.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifndef HP_ISA_NS
#error "define HP_ISA_NS before including a lane"
#endif

#if defined(__CUDACC__)
#define HP_FN __device__ __forceinline__
#define HP_SLOW_FN __device__ __forceinline__  // a call would put what its references name into memory
#elif defined(HP_HOST_EXECUTOR)
#define HP_FN inline __attribute__((always_inline))
#define HP_SLOW_FN inline
#else
#define HP_FN inline __attribute__((always_inline))
#define HP_SLOW_FN __attribute__((noinline))  // kept out of hot loops
#endif

namespace hp::HP_ISA_NS {

#if defined(HP_REAL_IS_DOUBLE)
using Real = double;
#else
using Real = float;
#endif
using F = Real;     // one real per ray of the packet
using I = int32_t;  // one int per ray
using U = uint32_t;
using M = bool;  // one truth value per ray
inline constexpr int kWidth = 1;
inline constexpr int kBlockWidth = 1, kBlockHeight = 1;  // pixels of a packet

HP_FN F splat(Real x) {
  return x;
}
HP_FN I splat_int(int32_t x) {
  return x;
}
HP_FN U splat_bits(uint32_t x) {
  return x;
}
HP_FN M splat_mask(bool x) {
  return x;
}
HP_FN M first_lanes(int count) {
  return count > 0;
}

// std::fma and friends are overloaded on Real and known to host and device compilers alike.
HP_FN F madd(F a, F b, F c) {
  return std::fma(a, b, c);
}
HP_FN F nmadd(F a, F b, F c) {
  return std::fma(-a, b, c);
}
HP_FN F square_root(F a) {
  return std::sqrt(a);
}
HP_FN F round_down(F a) {
  return std::floor(a);
}
// a < b ? a : b and a > b ? a : b: with a NaN the second operand.
HP_FN F min_of(F a, F b) {
  return a < b ? a : b;
}
HP_FN F max_of(F a, F b) {
  return a > b ? a : b;
}
HP_FN F abs_of(F a) {
  return a < Real(0) ? -a : a;
}
HP_FN F select(M m, F a, F b) {
  return m ? a : b;
}
HP_FN I select(M m, I a, I b) {
  return m ? a : b;
}
HP_FN M both(M a, M b) {
  return a && b;
}
HP_FN M either(M a, M b) {
  return a || b;
}
HP_FN M without(M a, M b) {
  return a && !b;
}  // a and not b
HP_FN bool any(M m) {
  return m;
}
HP_FN bool all(M m) {
  return m;
}
HP_FN int count_of(M m) {
  return m ? 1 : 0;
}
HP_FN int lowest_bit(uint32_t bits) {  // of bits != 0
#if defined(__CUDA_ARCH__)
  return __ffs(static_cast<int>(bits)) - 1;
#else
  return __builtin_ctz(bits);
#endif
}
// Sets bits that several threads may set.
HP_FN void note_seen(uint32_t* word, uint32_t bits) {
#if defined(__CUDA_ARCH__)
  if ((*word & bits) != bits) atomicOr(word, bits);
#else
  if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bits) != bits) __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
#endif
}
HP_FN uint32_t mask_bits(M m) {  // bit i: lane i
  return m ? 1u : 0u;
}

HP_FN M equal(I a, I b) {
  return a == b;
}
HP_FN M less_equal(I a, I b) {
  return a <= b;
}
HP_FN I int_max(I a, I b) {
  return a > b ? a : b;
}
HP_FN I int_min(I a, I b) {
  return a < b ? a : b;
}
HP_FN I shift_right(I a, int n) {
  return a >> n;
}
HP_FN I shift_left(I a, int n) {
  return static_cast<I>(static_cast<uint32_t>(a) << n);
}
HP_FN I shift_left_lanes(I a, I n) {  // 0 <= n < 32
  return static_cast<I>(static_cast<uint32_t>(a) << n);
}
HP_FN I bit_and(I a, int32_t b) {
  return a & b;
}
HP_FN I bit_and_lanes(I a, I b) {
  return a & b;
}
HP_FN I to_int(F a) {
  return static_cast<I>(a);
}  // truncates; |a| < 2^31
HP_FN F to_real(I a) {
  return static_cast<F>(a);
}
HP_FN I bits_to_int(U a) {
  return static_cast<I>(a);
}
HP_FN U int_to_bits(I a) {
  return static_cast<U>(a);
}
HP_FN U multiply_high(U a, U b) {
  return static_cast<U>((static_cast<uint64_t>(a) * b) >> 32);
}
HP_FN U multiply_low(U a, U b) {
  return a * b;
}
HP_FN U shift_right_bits(U a, int n) {
  return a >> n;
}

// `magic` + n holds the integer n in its low bits: adding it rounds to the nearest integer (ties to even).
#if defined(HP_REAL_IS_DOUBLE)
inline constexpr Real kRoundingMagic = 6755399441055744.0;  // 1.5 * 2^52
#else
inline constexpr Real kRoundingMagic = 12582912.0f;  // 1.5 * 2^23
#endif
// 2^n from kRoundingMagic + n, n a normal exponent.
HP_FN F exp2_of_magic(F magic_plus_n) {
  F r;
#if defined(HP_REAL_IS_DOUBLE)
  uint64_t bits;
  memcpy(&bits, &magic_plus_n, sizeof bits);
  bits = (bits << 52) + (uint64_t{1023} << 52);
#else
  uint32_t bits;
  memcpy(&bits, &magic_plus_n, sizeof bits);
  bits = (bits << 23) + (uint32_t{127} << 23);
#endif
  memcpy(&r, &bits, sizeof r);
  return r;
}

HP_FN void store_lanes(F a, Real* out) {
  *out = a;
}
HP_FN void store_lanes(I a, int32_t* out) {
  *out = a;
}
HP_FN F load_lanes(const Real* in) {
  return *in;
}
HP_FN I load_lanes(const int32_t* in) {
  return *in;
}
HP_FN bool lane_of(M m, int) {
  return m;
}

// ---- stored values: f32, or f16 as its bits. Conversion to Real is exact. ----
struct Half {
  uint16_t bits;
};
HP_FN Real widen(float a) {
  return static_cast<Real>(a);
}
HP_FN Real widen(Half h) {
#if defined(__CUDA_ARCH__)
  float widened;
  asm("cvt.f32.f16 %0, %1;" : "=f"(widened) : "h"(h.bits));
  return static_cast<Real>(widened);
#else
  uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16, exponent = (h.bits >> 10) & 31u,
           mantissa = h.bits & 1023u;
  uint32_t bits;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24 is exact
    float magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
    return static_cast<Real>(sign ? -magnitude : magnitude);
  }
  bits = exponent == 31 ? sign | 0x7f800000u | (mantissa << 13) : sign | ((exponent + 112u) << 23) | (mantissa << 13);
  float r;
  memcpy(&r, &bits, sizeof r);
  return static_cast<Real>(r);
#endif
}

#if !defined(HP_REAL_IS_DOUBLE)
// The nearest f16, ties to even; infinity from 65520 on.
HP_FN Half to_half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu))};  // NaN
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};
  // The last place kept is worth 2^-24 below 2^-14, else 2^-10 of the leading bit; what is below it is rounded away.
  const uint32_t exponent = magnitude >> 23;
  if (exponent < 102u) return {static_cast<uint16_t>(sign)};  // less than half of 2^-24
  const uint32_t drop = exponent < 113u ? 126u - exponent : 13u;
  const uint32_t kept = exponent < 113u ? (magnitude & 0x7fffffu) | 0x800000u : magnitude - (112u << 23);
  const uint32_t rounded = (kept + (1u << (drop - 1)) - 1u + ((kept >> drop) & 1u)) >> drop;
  return {static_cast<uint16_t>(sign | rounded)};
}
HP_FN F load_lanes(const Half* in) {
  return widen(*in);
}
HP_FN void store_lanes(F a, Half* out) {
  *out = to_half(a);
}
// What storing it as f16 and reading it again makes of it.
HP_FN F nearest_half(F a) {
  return widen(to_half(a));
}
#endif

template <class S>
HP_FN F gather(const S* base, I index) {
  return widen(base[static_cast<uint32_t>(index)]);
}
HP_FN I gather_int(const int32_t* base, I index) {
  return base[static_cast<uint32_t>(index)];
}

// Trilinear value of an x-pair field (one value per voxel): rows are y, then z; then along x.
//   row(v0, v1, f) = v0 + f (v1 - v0)
template <class S>
HP_FN F trilinear1(const S* base, I cell, int32_t stride_y, int32_t stride_z, F fx, F fy, F fz) {
  const S* p = base + static_cast<uint32_t>(cell);
  F c[2];
  for (int x = 0; x < 2; ++x) {
    F v00 = widen(p[x]), v10 = widen(p[x + stride_y]), v01 = widen(p[x + stride_z]),
      v11 = widen(p[x + stride_z + stride_y]);
    F a = madd(fy, v10 - v00, v00), b = madd(fy, v11 - v01, v01);
    c[x] = madd(fz, b - a, a);
  }
  return madd(fx, c[1] - c[0], c[0]);
}

// Trilinear value of four adjacent channels. `cell` counts voxels; a voxel is `stride_x` values wide (a multiple of 4);
// `channel` is the first of the four. stride_y and stride_z count values.
template <class S>
HP_FN void trilinear4(const S* base, I cell, int stride_x, int64_t stride_y, int64_t stride_z, F fx, F fy, F fz,
                      F out[4]) {
  const S* p = base + static_cast<uint64_t>(static_cast<uint32_t>(cell)) * static_cast<uint64_t>(stride_x);
  for (int k = 0; k < 4; ++k) {
    F c[2];
    for (int x = 0; x < 2; ++x) {
      const S* q = p + x * stride_x + k;
      F v00 = widen(q[0]), v10 = widen(q[stride_y]), v01 = widen(q[stride_z]), v11 = widen(q[stride_z + stride_y]);
      F a = madd(fy, v10 - v00, v00), b = madd(fy, v11 - v01, v01);
      c[x] = madd(fz, b - a, a);
    }
    out[k] = madd(fx, c[1] - c[0], c[0]);
  }
}

}  // namespace hp::HP_ISA_NS
