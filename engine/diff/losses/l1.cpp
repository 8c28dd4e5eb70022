#include "diff/losses/l1.h"

#include <cmath>

#include "diff/losses/elementwise_loss.h"

namespace dvren {
namespace {

struct Magnitude {
  internal::LossAt operator()(double e) const {
    // e itself where it is neither above nor below 0: 0, or NaN.
    return {std::abs(e), e > 0 ? 1.0 : e < 0 ? -1.0 : e};
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Loss>> L1Loss::Create(const LossSpec& spec) {
  DVREN_RETURN_IF_ERROR(internal::RefuseDelta(spec));
  return std::make_unique<internal::ElementwiseLoss<Magnitude>>(Magnitude{});
}

}  // namespace dvren
