// f16 (IEEE 754 binary16) as its bits, on the host.
#pragma once

#include <cmath>
#include <cstdint>

namespace hp {

// Exact.
inline double HalfToDouble(uint16_t h) {
  const int exponent = (h >> 10) & 31;
  const double mantissa = h & 1023;
  double v = exponent == 0    ? std::ldexp(mantissa, -24)
             : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                              : std::ldexp(1024 + mantissa, exponent - 25);
  return (h & 0x8000) ? -v : v;
}

}  // namespace hp
