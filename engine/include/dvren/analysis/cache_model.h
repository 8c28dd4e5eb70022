// What of an operator's traffic passes a cache.
#pragma once

#include "dvren/analysis/work_count.h"

namespace dvren::analysis {

// The id and derivation of CacheMissBytes, for reports.
inline constexpr const char* kCacheFormulaId = "cache.misses";
inline constexpr const char* kCacheFormulaText =
    "the first access to every byte of the footprint misses; a repeated one misses with the share of the footprint "
    "that "
    "does not fit, max(0, 1 - capacity/footprint): places are independent and the cache keeps a random part of them";

// Bytes that a memory behind a cache of `capacity_bytes` (>= 0) moves for this work, between the footprint (all fits)
// and the traffic (nothing does).
[[nodiscard]] Count CacheMissBytes(const WorkCount& work, double capacity_bytes);

}  // namespace dvren::analysis
