// LossScale: how much finer than by default the quantum of gradients is (OptimizerSpec::loss_scale).
#pragma once

#include <cstdint>

#include "dvren/train/byte_codec.h"
#include "dvren/train/training_spec.h"

namespace dvren {

class LossScale {
 public:
  // INVALID_ARGUMENT for a scale that is neither "dynamic" nor a power of two from 2^-30 to 2^30.
  [[nodiscard]] static absl::StatusOr<LossScale> Make(const OptimizerSpec& spec);

  [[nodiscard]] int exponent() const { return exponent_; }  // of the scale, a power of two
  [[nodiscard]] bool dynamic() const { return dynamic_; }
  // Halves it after an overflow. False when it is fixed, or as small as it gets.
  [[nodiscard]] bool Halve();
  // After a step without an overflow.
  void Succeed();

  void Save(ByteSink& sink) const;
  [[nodiscard]] absl::Status Restore(ByteSource& source);

 private:
  static constexpr int kLimit = 30;
  bool dynamic_ = false;
  int exponent_ = 0;
  std::int64_t window_ = 0, good_steps_ = 0;  // since it last changed
};

}  // namespace dvren
