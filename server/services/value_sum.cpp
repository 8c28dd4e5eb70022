#include "server/services/value_sum.h"

#include <utility>

namespace dvren::server {

absl::StatusOr<ValueSum> ValueSum::Open(Stream& stream, GradientRegistry& gradients, const FieldKey& field,
                                        std::shared_ptr<const Field> on_device, const GradientWishes& wishes) {
  ValueSum sum(gradients, wishes.accumulate);
  if (!wishes.of_values()) return sum;
  if (!wishes.accumulate) {
    DVREN_ASSIGN_OR_RETURN(sum.gradient_,
                           MakeFieldGradient(stream, field, std::move(on_device), wishes.exponent, gradients.budget()));
    return sum;
  }
  DVREN_ASSIGN_OR_RETURN(sum.gradient_, gradients.Open(stream, field, std::move(on_device)));
  if (!wishes.exponent) return sum;
  // Passes of one gradient run on one device worker: nobody settles the exponent between these lines.
  GradientTensor& tensor = *sum.gradient_->tensor();
  if (const std::optional<int> settled = tensor.exponent()) {
    if (*settled == *wishes.exponent) return sum;
    return InvalidField("want.exponent", *wishes.exponent,
                        absl::StrCat("the gradient of ", field.name, " has ", *settled,
                                     "; leave it out, or ZeroGradients with another"));
  }
  DVREN_RETURN_IF_ERROR(tensor.Zero(stream, wishes.exponent));
  return sum;
}

ValueSum::ValueSum(ValueSum&& other) noexcept
    : gradients_(other.gradients_),
      shared_(other.shared_),
      gradient_(std::move(other.gradient_)),
      begun_(std::exchange(other.begun_, false)) {}

ValueSum::~ValueSum() {
  Abandon(absl::CancelledError("the pass did not come to its end"));
}

std::shared_ptr<GradientTensor> ValueSum::tensor() const {
  return gradient_ == nullptr ? nullptr : gradient_->tensor();
}

absl::Status ValueSum::Check() const {
  if (gradient_ == nullptr) return absl::OkStatus();
  DVREN_RETURN_IF_ERROR(gradient_->Recount());
  if (!shared_) return absl::OkStatus();
  DVREN_RETURN_IF_ERROR(gradient_->CheckSound());
  if (gradients_.IsCurrent(*gradient_)) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("field = ", gradient_->key().name,
                                         ": its gradient was zeroed, or the field updated, while the pass ran; run "
                                         "the pass again"));
}

void ValueSum::Abandon(const absl::Status& why) {
  if (std::exchange(begun_, false) && shared_ && gradient_ != nullptr) gradient_->Spoil(why);
}

}  // namespace dvren::server
