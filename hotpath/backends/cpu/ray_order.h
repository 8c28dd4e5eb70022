// The order in which given rays are rendered.
#pragma once

#include <cstdint>
#include <vector>

namespace hp::cpu {

// Fewer rays than this are taken as they come.
inline constexpr int64_t kFewestOrderedRays = 1024;

// The permutation that sorts keys of 30 bits; equal keys keep their order.
std::vector<uint32_t> OrderRays(std::vector<uint32_t> keys);

}  // namespace hp::cpu
