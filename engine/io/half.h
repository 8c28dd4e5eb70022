// IEEE 754 binary16 to float and back, on the bits. Internal to dvren::io.
#pragma once

#include <bit>
#include <cstdint>

namespace dvren::io {

[[nodiscard]] inline float HalfToFloat(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = half >> 10 & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t widened = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | widened << 23 | mantissa << 13);
}

// The nearest one, ties to even; infinity from 65520 on. Of a NaN a NaN.
[[nodiscard]] inline std::uint16_t FloatToHalf(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu, exponent = magnitude >> 23;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (exponent < 102) return static_cast<std::uint16_t>(sign);  // less than half of 2^-24, the least
  // Below 2^-14 the last place is worth 2^-24, else 2^-10 of the leading one.
  const std::uint32_t drop = exponent < 113 ? 126 - exponent : 13;
  const std::uint32_t kept = exponent < 113 ? (magnitude & 0x7fffffu) | 0x800000u : magnitude - (112u << 23);
  const std::uint32_t even = kept >> drop & 1u;
  return static_cast<std::uint16_t>(sign | (kept + (1u << (drop - 1)) - 1 + even) >> drop);
}

}  // namespace dvren::io
