// What a person wants to know of a gradient at a glance.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace dvren {

struct GradientStatistics {
  static constexpr int kFirstExponent = -40, kBins = 64;
  std::int64_t count = 0, zeros = 0, nans = 0, infinities = 0;
  std::int64_t first_not_finite = -1;  // index of the first NaN or infinity, -1 without
  double l1 = 0, l2 = 0, largest = 0;  // over finite values; largest magnitude
  // Finite values that are not zero by magnitude: bin i counts 2^(i + kFirstExponent) <= |v| < 2^(i + 1 +
  // kFirstExponent); the first and the last bin take what lies beyond.
  std::array<std::int64_t, kBins> histogram{};
};

[[nodiscard]] GradientStatistics Summarise(std::span<const float> values);
[[nodiscard]] GradientStatistics Summarise(std::span<const double> values);

}  // namespace dvren
