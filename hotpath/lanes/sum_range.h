// How far a sum of quanta may go at one place: |sum| < 2^60. A voxel has up to eight places, and their sum fits int64.
#pragma once

namespace hp {

inline constexpr int kSumRangeBits = 60;

}  // namespace hp
