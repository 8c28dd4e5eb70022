// How the CUDA backend cuts a job (bodies/packets.h): a thread does one ray, from end to end.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define HP_TASK static __device__ __forceinline__
#else
#define HP_TASK static inline
#endif

namespace hp::HP_ISA_NS {

inline constexpr int64_t kRaysPerItem = 1;
inline constexpr int kGroupEdge = 1;
inline constexpr int kRoundsPerTurn = 1 << 30;  // more than a ray has

}  // namespace hp::HP_ISA_NS
