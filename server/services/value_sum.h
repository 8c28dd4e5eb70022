// ValueSum: where one backward pass adds dL/d(field values): to the field's own gradient, or to a fresh one for this
// pass alone. A pass that has begun to add to the field's gradient and does not come to its end spoils it: half a pass
// is no gradient.
#pragma once

#include <memory>

#include "server/codec/gradient_codec.h"
#include "server/registries/gradient_registry.h"

namespace dvren::server {

class ValueSum {
 public:
  // On a device worker. INVALID_ARGUMENT when wishes.exponent is not the one that the field's gradient has; and what
  // GradientRegistry::Open says.
  [[nodiscard]] static absl::StatusOr<ValueSum> Open(Stream& stream, GradientRegistry& gradients, const FieldKey& field,
                                                     std::shared_ptr<const Field> on_device,
                                                     const GradientWishes& wishes);
  ValueSum(ValueSum&& other) noexcept;
  ValueSum& operator=(ValueSum&&) = delete;
  ~ValueSum();  // as Abandon

  // Null when no gradient of values was asked for.
  [[nodiscard]] std::shared_ptr<GradientTensor> tensor() const;
  [[nodiscard]] const FieldGradient* gradient() const { return gradient_.get(); }
  // From here on something may have been added.
  void Begin() { begun_ = true; }
  // After each slice: FAILED_PRECONDITION when another pass has spoilt the gradient meanwhile, ABORTED when it was
  // zeroed or its field updated, RESOURCE_EXHAUSTED when it has outgrown its budget.
  [[nodiscard]] absl::Status Check() const;
  // All of the pass has been added, and its caller will hear so.
  void Complete() { begun_ = false; }
  // It will not be. The first reason counts.
  void Abandon(const absl::Status& why);

 private:
  ValueSum(GradientRegistry& gradients, bool shared) : gradients_(gradients), shared_(shared) {}

  GradientRegistry& gradients_;
  const bool shared_;  // the field's own
  std::shared_ptr<FieldGradient> gradient_;
  bool begun_ = false;
};

}  // namespace dvren::server
