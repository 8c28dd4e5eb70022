#include "train/loss_scale.h"

#include <cmath>

#include "absl/strings/numbers.h"

namespace dvren {

absl::StatusOr<LossScale> LossScale::Make(const OptimizerSpec& spec) {
  LossScale scale;
  scale.window_ = spec.loss_scale_window;
  scale.dynamic_ = spec.loss_scale == "dynamic";
  if (scale.dynamic_) return scale;
  double value = 0;
  int exponent = 0;
  if (!absl::SimpleAtod(spec.loss_scale, &value) || std::frexp(value, &exponent) != 0.5 || exponent - 1 < -kLimit ||
      exponent - 1 > kLimit) {
    return InvalidField("optimizer.loss_scale", spec.loss_scale, "must be dynamic or a power of two, 2^-30 to 2^30");
  }
  scale.exponent_ = exponent - 1;
  return scale;
}

bool LossScale::Halve() {
  if (!dynamic_ || exponent_ <= -kLimit) return false;
  --exponent_;
  good_steps_ = 0;
  return true;
}

void LossScale::Succeed() {
  if (!dynamic_ || ++good_steps_ < window_) return;
  if (exponent_ < kLimit) ++exponent_;
  good_steps_ = 0;
}

void LossScale::Save(ByteSink& sink) const {
  sink.Put(static_cast<std::int32_t>(exponent_));
  sink.Put(good_steps_);
}

absl::Status LossScale::Restore(ByteSource& source) {
  std::int32_t exponent = 0;
  std::int64_t good = 0;
  DVREN_RETURN_IF_ERROR(source.Get(&exponent));
  DVREN_RETURN_IF_ERROR(source.Get(&good));
  if (exponent < -kLimit || exponent > kLimit || good < 0) {
    return absl::DataLossError(absl::StrCat("checkpoint: damaged: loss scale 2^", exponent));
  }
  exponent_ = exponent;
  good_steps_ = good;
  return absl::OkStatus();
}

}  // namespace dvren
