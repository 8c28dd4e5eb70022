// How the CPU backend cuts a job (bodies/packets.h): tiles and chunks that keep a thread busy, and groups of packets
// that find their neighbours' voxels in the cache.
#pragma once

#include "backends/cpu/kernels.h"

#define HP_TASK static

namespace hp::HP_ISA_NS {

using cpu::kRaysPerItem;
inline constexpr int kGroupEdge = 8;  // pixels
inline constexpr int kRoundsPerTurn = 8;

}  // namespace hp::HP_ISA_NS
