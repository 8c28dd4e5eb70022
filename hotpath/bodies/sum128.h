// Sums of few parameters in 128 bits: exact, so that no order changes a bit.
#pragma once

#include "bodies/args.h"
#include "lanes/cell_sum.h"

namespace hp::HP_ISA_NS {

// 2^e, a normal exponent.
HP_FN double power_of_two(int e) {
  double r;
  const uint64_t bits = static_cast<uint64_t>(1023 + e) << 52;
  memcpy(&r, &bits, sizeof r);
  return r;
}

// x rounded to an integer; false when it is not a number that fits.
HP_FN bool to_sum(double x, Sum128& out) {
  const double magnitude = x < 0 ? -x : x;
  if (!(magnitude < 0x1p125)) return false;
  uint64_t low, high;
  if (magnitude < 0x1p50) {
    low = static_cast<uint64_t>(round_to_quanta(magnitude));
    high = 0;
  } else {
    high = static_cast<uint64_t>(magnitude * 0x1p-64);
    low = static_cast<uint64_t>(magnitude - static_cast<double>(high) * 0x1p64);
  }
  if (x < 0) {
    low = ~low + 1;
    high = ~high + (low == 0 ? 1 : 0);
  }
  out.low = low;
  out.high = static_cast<int64_t>(high);
  return true;
}

HP_FN void add_to_sum(Sum128& s, const Sum128& more) {
  s.low += more.low;
  s.high = static_cast<int64_t>(static_cast<uint64_t>(s.high) + static_cast<uint64_t>(more.high) +
                                (s.low < more.low ? 1 : 0));
}

}  // namespace hp::HP_ISA_NS
