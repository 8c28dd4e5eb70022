// The loop that losses of one residual share: weights, scale, the sum and its order. A loss gives l(e) and l'(e).
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>

#include "dvren/diff/loss.h"

namespace dvren::internal {

struct LossAt {
  double value, slope;  // l(e) and l'(e)
};

// `Residual` is a class with `LossAt operator()(double e) const`, inlined into the loop.
template <class Residual>
class ElementwiseLoss : public Loss {
 public:
  explicit ElementwiseLoss(Residual residual) : residual_(residual) {}

  double Evaluate(std::span<const float> prediction, std::span<const float> target, std::span<const float> ray_weights,
                  int channels, double scale, std::span<float> gradient) const override {
    assert(channels > 0 && prediction.size() % static_cast<std::size_t>(channels) == 0);
    assert(target.size() == prediction.size() && gradient.size() == prediction.size());
    assert(ray_weights.empty() || ray_weights.size() * static_cast<std::size_t>(channels) == prediction.size());
    std::array<double, kLanes> sums{};
    std::array<float, kBlock> weights;
    weights.fill(1);
    std::size_t ray = 0;
    int channel = 0;
    for (std::size_t begin = 0; begin < prediction.size(); begin += kBlock) {
      const std::size_t count = std::min(kBlock, prediction.size() - begin);
      if (!ray_weights.empty()) {  // one per element, so that the loop below needs no division
        for (std::size_t i = 0; i < count; ++i) {
          weights[i] = ray_weights[ray];
          if (++channel == channels) channel = 0, ++ray;
        }
      }
      Block(prediction.data() + begin, target.data() + begin, weights.data(), count, scale, gradient.data() + begin,
            sums);
    }
    // Pairs, then pairs of pairs.
    for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
    }
    return scale * sums[0];
  }

 private:
  // Element i of the batch adds to sum i mod kLanes, whatever the width of the machine's registers.
  static constexpr std::size_t kLanes = 8, kBlock = 1024;
  static_assert(kBlock % kLanes == 0);

  void Block(const float* prediction, const float* target, const float* weights, std::size_t count, double scale,
             float* gradient, std::array<double, kLanes>& sums) const {
    const auto add = [&](std::size_t i, std::size_t lane) {
      const LossAt at = residual_(static_cast<double>(prediction[i]) - static_cast<double>(target[i]));
      const double weight = weights[i];
      sums[lane] += weight * at.value;
      gradient[i] = static_cast<float>(scale * weight * at.slope);
    };
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
    }
    for (std::size_t lane = 0; i < count; ++i, ++lane) add(i, lane);
  }

  Residual residual_;
};

// `loss.delta` belongs to kinds that have one; elsewhere a value other than the default was meant for another kind.
[[nodiscard]] inline absl::Status RefuseDelta(const LossSpec& spec) {
  if (spec.delta == LossSpec{}.delta) return absl::OkStatus();
  return InvalidField("loss.delta", spec.delta, absl::StrCat("loss.kind = ", spec.kind, " has no delta: leave it out"));
}

}  // namespace dvren::internal
