#include "backends/cpu/scatter_log.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hp::cpu {

// Radix sort, the lowest digit first.
const std::vector<uint32_t>& ScatterLog::Order() {
  constexpr int kDigitBits = 11;
  constexpr uint32_t kMask = (1u << kDigitBits) - 1;
  for (auto* v : {&keys_, &next_keys_, &order_, &next_order_}) v->resize(count_);
  uint32_t highest = 0;
  for (size_t i = 0; i < count_; ++i) {
    keys_[i] = static_cast<uint32_t>(At(i)->brick);
    order_[i] = static_cast<uint32_t>(i);
    highest = std::max(highest, keys_[i]);
  }
  for (int shift = 0; shift < 32 && highest >> shift != 0; shift += kDigitBits) {
    std::array<size_t, kMask + 1> places{};
    for (uint32_t key : keys_) ++places[key >> shift & kMask];
    size_t sum = 0;
    for (size_t& place : places) sum += std::exchange(place, sum);
    for (size_t i = 0; i < count_; ++i) {
      const size_t to = places[keys_[i] >> shift & kMask]++;
      next_keys_[to] = keys_[i];
      next_order_[to] = order_[i];
    }
    keys_.swap(next_keys_);
    order_.swap(next_order_);
  }
  return order_;
}

}  // namespace hp::cpu
