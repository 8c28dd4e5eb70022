#include "dvren/diff/gradient_tensor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <span>

#include "dvren/core/tensor.h"

namespace dvren {
namespace {

hp_gradient_info InfoOf(const hp_gradient* gradient) {
  hp_gradient_info info{};
  HP_INIT(info);
  (void)hp_gradient_get_info(gradient, &info);  // cannot fail for a live gradient
  return info;
}

// Exponent of a quantum of which the largest of the values has less than 2^49.
template <class T>
absl::StatusOr<int> ExponentFor(std::span<const T> values) {
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return InvalidField(absl::StrCat("values[", i, "]"), values[i], "must be finite");
    largest = std::max(largest, std::abs(static_cast<double>(values[i])));
  }
  int exponent = 0;
  std::frexp(largest, &exponent);
  return std::max(exponent - 49, kMinGradientExponent);
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

absl::StatusOr<double> GradientTensor::Norm(Stream& stream) const {
  std::unique_ptr<float[]> values(new (std::nothrow) float[static_cast<std::size_t>(size())]);
  if (!values) return absl::ResourceExhaustedError(absl::StrCat("gradient: no room for a copy of ", size(), " values"));
  DVREN_RETURN_IF_ERROR(Read(stream, DType::kF32, values.get()));
  const std::int64_t count = size();
  constexpr std::int64_t kLanes = 8;  // a fixed order that needs no chain of additions
  std::array<double, kLanes> sums{};
  const auto add = [&](std::int64_t i, std::int64_t lane) {
    const double v = values[static_cast<std::size_t>(i)];
    sums[static_cast<std::size_t>(lane)] += v * v;
  };
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  }
  for (; i < count; ++i) add(i, i % kLanes);
  double sum = 0;
  for (const double s : sums) sum += s;
  return std::sqrt(sum);
}

absl::Status GradientTensor::Write(Stream& stream, DType dtype, const void* host_values) {
  if (dtype != DType::kF32 && dtype != DType::kF64) {
    return InvalidField("dtype", static_cast<int>(dtype), "must be f32 or f64");
  }
  const auto count = static_cast<std::size_t>(size());
  DVREN_ASSIGN_OR_RETURN(const int exponent,
                         dtype == DType::kF64 ? ExponentFor(std::span(static_cast<const double*>(host_values), count))
                                              : ExponentFor(std::span(static_cast<const float*>(host_values), count)));
  if (exponent > kMaxGradientExponent) {
    return InvalidField("values", absl::StrCat("about 2^", exponent + 49), "are too large for a gradient");
  }
  DVREN_ASSIGN_OR_RETURN(Tensor values, Tensor::Allocate(stream, dtype, shape_));
  DVREN_RETURN_IF_ERROR(values.CopyFromHost(stream, host_values));
  const hp_tensor view = values.view();
  const std::lock_guard<std::mutex> lock(mutex_);
  DVREN_RETURN_IF_ERROR(FromHp(hp_gradient_write(stream.hp(), gradient_, exponent, &view)));
  exponent_ = exponent;
  return absl::OkStatus();
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
