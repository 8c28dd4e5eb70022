// Additions that many threads make to one place. Sums are integers: who comes first changes no bits. Include after a
// lane.
#pragma once

#include <cstdint>

#include "bodies/sum128.h"

namespace hp::HP_ISA_NS {

// Returns what was there before.
HP_FN int64_t atomic_add(int64_t* at, int64_t more) {
#if defined(__CUDA_ARCH__)
  return static_cast<int64_t>(
      atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(more)));
#elif defined(__CUDACC__)
  return *at + more;  // never run
#else
  return __atomic_fetch_add(at, more, __ATOMIC_RELAXED);
#endif
}

HP_FN void atomic_max(int64_t* at, int64_t value) {
#if defined(__CUDA_ARCH__)
  atomicMax(reinterpret_cast<long long*>(at), static_cast<long long>(value));
#elif !defined(__CUDACC__)
  for (int64_t seen = __atomic_load_n(at, __ATOMIC_RELAXED);
       value > seen && !__atomic_compare_exchange_n(at, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED);) {
  }
#endif
}

// In two halves: each low half that wraps carries one into the high half, once. All are done when the kernel is.
HP_FN void atomic_add(Sum128* at, const Sum128& more) {
  const auto before =
      static_cast<uint64_t>(atomic_add(reinterpret_cast<int64_t*>(&at->low), static_cast<int64_t>(more.low)));
  const uint64_t carry = before + more.low < before ? 1 : 0;
  const auto high = static_cast<int64_t>(static_cast<uint64_t>(more.high) + carry);
  if (high != 0) atomic_add(&at->high, high);
}

// The sum over a warp's threads, all of which are here, in its first thread. (The executor's warps have one.)
HP_FN int64_t warp_sum(int64_t value) {
#if defined(__CUDA_ARCH__)
  for (int distance = 16; distance > 0; distance >>= 1) value += __shfl_down_sync(0xffffffffu, value, distance);
#endif
  return value;
}
HP_FN bool first_of_warp(unsigned thread_of_block) {
#if defined(__CUDA_ARCH__)
  return (thread_of_block & 31u) == 0;
#else
  (void)thread_of_block;
  return true;
#endif
}

}  // namespace hp::HP_ISA_NS
