// Tensor: a shared Buffer with dtype, shape and strides (in elements). TensorView is hp_tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dvren/core/buffer.h"
#include "dvren/core/dtype.h"

namespace dvren {

using TensorView = hp_tensor;

class Tensor {
 public:
  Tensor() = default;
  // Contiguous, C order, uninitialised. INVALID_ARGUMENT for a negative extent or a rank above HP_MAX_RANK.
  [[nodiscard]] static absl::StatusOr<Tensor> Allocate(Stream& stream, DType dtype,
                                                       std::span<const std::int64_t> shape);

  [[nodiscard]] bool defined() const { return buffer_ != nullptr; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const std::vector<std::int64_t>& shape() const { return shape_; }
  [[nodiscard]] const std::vector<std::int64_t>& strides() const { return strides_; }
  [[nodiscard]] std::int64_t size() const;  // elements
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(size()) * DTypeSize(dtype_); }
  [[nodiscard]] std::byte* data() const { return buffer_ ? buffer_->data() : nullptr; }
  [[nodiscard]] TensorView view() const;  // an undefined tensor gives the "absent" view
  // Host copy of a contiguous tensor, C order.
  [[nodiscard]] absl::Status CopyToHost(Stream& stream, void* destination) const;
  // The same of rows [row, row + rows) and columns [column, column + columns) of a (height, width[, channels]) tensor.
  [[nodiscard]] absl::Status CopyRectToHost(Stream& stream, std::int64_t row, std::int64_t column, std::int64_t rows,
                                            std::int64_t columns, void* destination) const;
  [[nodiscard]] absl::Status CopyFromHost(Stream& stream, const void* source);

 private:
  std::shared_ptr<Buffer> buffer_;
  DType dtype_ = DType::kF32;
  std::vector<std::int64_t> shape_, strides_;
};

// The elements [begin, begin + extent) of dimension `dim`. Precondition: they exist. The absent view stays absent.
[[nodiscard]] TensorView Narrow(TensorView view, int dim, std::int64_t begin, std::int64_t extent);

}  // namespace dvren
