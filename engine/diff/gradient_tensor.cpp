#include "dvren/diff/gradient_tensor.h"

#include <array>

#include "dvren/core/tensor.h"

namespace dvren {
namespace {

hp_gradient_info InfoOf(const hp_gradient* gradient) {
  hp_gradient_info info{};
  HP_INIT(info);
  (void)hp_gradient_get_info(gradient, &info);  // cannot fail for a live gradient
  return info;
}

}  // namespace

absl::StatusOr<std::shared_ptr<GradientTensor>> GradientTensor::Make(Stream& stream,
                                                                     std::shared_ptr<const Field> field) {
  if (field->info().parameter_count == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("field: this ", field->info().type, " has no parameters, so there is no gradient of its values"));
  }
  hp_gradient* gradient = nullptr;
  DVREN_RETURN_IF_ERROR(FromHp(hp_gradient_create(stream.hp(), field->hp(), &gradient)));
  std::shared_ptr<GradientTensor> tensor(new GradientTensor(std::move(field), gradient));
  const hp_gradient_info info = InfoOf(gradient);
  tensor->shape_.assign(info.shape, info.shape + info.rank);
  return tensor;
}

GradientTensor::~GradientTensor() {
  hp_gradient_destroy(gradient_);
}

absl::Status GradientTensor::Zero(Stream& stream, std::optional<int> exponent) {
  if (exponent && (*exponent < kMinGradientExponent || *exponent > kMaxGradientExponent)) {
    return InvalidField("exponent", *exponent,
                        absl::StrCat("must be ", kMinGradientExponent, " to ", kMaxGradientExponent,
                                     ", or absent to let the next backward pass choose"));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  DVREN_RETURN_IF_ERROR(FromHp(hp_gradient_zero(stream.hp(), gradient_, exponent.value_or(0))));
  exponent_ = exponent;
  return absl::OkStatus();
}

absl::Status GradientTensor::Settle(Stream& stream, int exponent) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (exponent_) return absl::OkStatus();
  DVREN_RETURN_IF_ERROR(FromHp(hp_gradient_zero(stream.hp(), gradient_, exponent)));
  exponent_ = exponent;
  return absl::OkStatus();
}

std::int64_t GradientTensor::size() const {
  std::int64_t elements = 1;
  for (std::int64_t extent : shape_) elements *= extent;
  return elements;
}

std::optional<int> GradientTensor::exponent() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return exponent_;
}

std::int64_t GradientTensor::block_count() const {
  return InfoOf(gradient_).block_count;
}

std::uint64_t GradientTensor::device_bytes() const {
  return InfoOf(gradient_).device_bytes;
}

absl::Status GradientTensor::Read(Stream& stream, DType dtype, void* host_values) const {
  if (dtype != DType::kF32 && dtype != DType::kF64) {
    return InvalidField("dtype", static_cast<int>(dtype), "must be f32 or f64");
  }
  DVREN_ASSIGN_OR_RETURN(const Tensor values, Tensor::Allocate(stream, dtype, shape_));
  const hp_tensor view = values.view();
  DVREN_RETURN_IF_ERROR(FromHp(hp_gradient_read(stream.hp(), gradient_, &view, nullptr)));
  return values.CopyToHost(stream, host_values);
}

absl::Status GradientTensor::ReadOrigins(Stream& stream, std::int32_t* host_origins) const {
  DVREN_ASSIGN_OR_RETURN(const Tensor values, Tensor::Allocate(stream, DType::kF32, shape_));
  DVREN_ASSIGN_OR_RETURN(const Tensor origins,
                         Tensor::Allocate(stream, DType::kI32, std::array<std::int64_t, 2>{shape_[0], 3}));
  const hp_tensor view = values.view(), origins_view = origins.view();
  DVREN_RETURN_IF_ERROR(FromHp(hp_gradient_read(stream.hp(), gradient_, &view, &origins_view)));
  return origins.CopyToHost(stream, host_origins);
}

}  // namespace dvren
