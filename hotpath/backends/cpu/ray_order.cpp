#include "backends/cpu/ray_order.h"

#include <array>
#include <cstddef>
#include <numeric>
#include <utility>

namespace hp::cpu {

// Radix sort, three digits of ten bits, the lowest first.
std::vector<uint32_t> OrderRays(std::vector<uint32_t> keys) {
  constexpr int kDigitBits = 10, kDigits = 3;
  const std::size_t n = keys.size();
  std::vector<uint32_t> order(n), next_order(n);
  std::vector<uint32_t> next_keys(n);
  std::iota(order.begin(), order.end(), 0u);
  for (int digit = 0; digit < kDigits; ++digit) {
    const int shift = digit * kDigitBits;
    std::array<std::size_t, std::size_t{1} << kDigitBits> places{};
    for (uint32_t key : keys) ++places[key >> shift & 1023];
    std::size_t sum = 0;
    for (std::size_t& place : places) sum += std::exchange(place, sum);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t to = places[keys[i] >> shift & 1023]++;
      next_keys[to] = keys[i];
      next_order[to] = order[i];
    }
    keys.swap(next_keys);
    order.swap(next_order);
  }
  return order;
}

}  // namespace hp::cpu
