#include "dvren/diff/gradient_statistics.h"

#include <algorithm>
#include <cmath>

namespace dvren {
namespace {

template <class T>
GradientStatistics Of(std::span<const T> values) {
  GradientStatistics s;
  s.count = static_cast<std::int64_t>(values.size());
  double squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double v = std::abs(static_cast<double>(values[i]));
    if (v == 0) {
      ++s.zeros;
      continue;
    }
    if (!std::isfinite(v)) {
      ++(std::isnan(v) ? s.nans : s.infinities);
      if (s.first_not_finite < 0) s.first_not_finite = static_cast<std::int64_t>(i);
      continue;
    }
    s.l1 += v;
    squares += v * v;
    s.largest = std::max(s.largest, v);
    const int bin = std::clamp(std::ilogb(v) - GradientStatistics::kFirstExponent, 0, GradientStatistics::kBins - 1);
    ++s.histogram[static_cast<std::size_t>(bin)];
  }
  s.l2 = std::sqrt(squares);
  return s;
}

}  // namespace

GradientStatistics Summarise(std::span<const float> values) {
  return Of(values);
}

GradientStatistics Summarise(std::span<const double> values) {
  return Of(values);
}

}  // namespace dvren
