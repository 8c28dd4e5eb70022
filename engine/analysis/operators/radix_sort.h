// Radix sort of (key, 32-bit payload) pairs, least digit first, 8 bits a pass (Merrill and Grimshaw 2010).
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

inline const Formula kRadixSortFormula = {
    "sort.radix",
    "ceil(key_bits/8) passes; per item and pass 4 integer (shift, mask, count, place), the key read for the "
    "histogram, key and payload read and written once: linear in the items"};

inline void AddRadixSort(const Count& items, std::int64_t key_bits, WorkCount& work) {
  const std::int64_t passes = (key_bits + 7) / 8;
  const std::int64_t key_bytes = (key_bits + 31) / 32 * 4;
  work.integer += 4 * items * passes;
  work.integer_bytes += items * passes * (3 * key_bytes + 2 * kIndexBytes);
  work.footprint_bytes += 2 * items * (key_bytes + kIndexBytes);  // two buffers
}

}  // namespace dvren::analysis
