#include "diff/losses/huber.h"

#include <cmath>

#include "diff/losses/elementwise_loss.h"

namespace dvren {
namespace {

struct Huber {
  double delta;
  internal::LossAt operator()(double e) const {
    // With the slope s = e clamped to [-delta, delta], both branches are s (e - s/2).
    const double low = e < -delta ? -delta : e;
    const double s = low > delta ? delta : low;
    return {s * (e - 0.5 * s), s};
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Loss>> HuberLoss::Create(const LossSpec& spec) {
  if (!(std::isfinite(spec.delta) && spec.delta > 0)) {
    return InvalidField("loss.delta", spec.delta, "must be finite and > 0");
  }
  return std::make_unique<internal::ElementwiseLoss<Huber>>(Huber{spec.delta});
}

}  // namespace dvren
