#include "dvren/core/tensor.h"

#include <limits>
#include <utility>

namespace dvren {

absl::StatusOr<Tensor> Tensor::Allocate(Stream& stream, DType dtype, std::span<const std::int64_t> shape) {
  if (DTypeSize(dtype) == 0) return InvalidField("dtype", static_cast<int>(dtype), "unknown; use one of DType");
  if (shape.size() > HP_MAX_RANK) {
    return InvalidField("rank", shape.size(), absl::StrCat("a tensor has at most ", HP_MAX_RANK, " dimensions"));
  }
  constexpr auto kMaxBytes = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t elements = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) return InvalidField(absl::StrCat("shape[", i, "]"), shape[i], "must be >= 0");
    const auto extent = static_cast<std::uint64_t>(shape[i]);
    if (extent != 0 && elements > kMaxBytes / DTypeSize(dtype) / extent) {
      return InvalidField(absl::StrCat("shape[", i, "]"), shape[i], "the tensor passes 2^63 bytes; make it smaller");
    }
    elements *= extent;
  }
  Tensor tensor;
  DVREN_ASSIGN_OR_RETURN(Buffer buffer, Buffer::Allocate(stream, elements * DTypeSize(dtype)));
  tensor.buffer_ = std::make_shared<Buffer>(std::move(buffer));
  tensor.dtype_ = dtype;
  tensor.shape_.assign(shape.begin(), shape.end());
  tensor.strides_.resize(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    tensor.strides_[i] = stride;
    stride *= shape[i];
  }
  return tensor;
}

std::int64_t Tensor::size() const {
  if (!defined()) return 0;
  std::int64_t elements = 1;
  for (std::int64_t extent : shape_) elements *= extent;
  return elements;
}

TensorView Tensor::view() const {
  TensorView view{};
  HP_INIT(view);
  view.dtype = static_cast<hp_dtype>(dtype_);
  view.data = data();
  view.rank = static_cast<std::int32_t>(shape_.size());
  for (std::size_t i = 0; i < shape_.size(); ++i) {
    view.shape[i] = shape_[i];
    view.strides[i] = strides_[i];
  }
  return view;
}

absl::Status Tensor::CopyToHost(Stream& stream, void* destination) const {
  if (bytes() == 0) return absl::OkStatus();
  DVREN_RETURN_IF_ERROR(FromHp(hp_memory_copy(stream.hp(), destination, data(), bytes(), HP_COPY_DEVICE_TO_HOST)));
  return stream.Synchronize();
}

absl::Status Tensor::CopyRectToHost(Stream& stream, std::int64_t row, std::int64_t column, std::int64_t rows,
                                    std::int64_t columns, void* destination) const {
  if (shape_.size() < 2 || row < 0 || column < 0 || rows < 0 || columns < 0 || row > shape_[0] - rows ||
      column > shape_[1] - columns) {
    return InvalidField("rectangle", absl::StrCat(columns, " x ", rows, " at ", column, ", ", row),
                        "must lie within the tensor's first two dimensions");
  }
  const std::size_t pixel = static_cast<std::size_t>(strides_[1]) * DTypeSize(dtype_);
  const std::size_t from_pitch = static_cast<std::size_t>(strides_[0]) * DTypeSize(dtype_);
  const std::size_t to_pitch = static_cast<std::size_t>(columns) * pixel;
  if (rows == 0 || to_pitch == 0) return absl::OkStatus();
  const std::byte* from =
      data() + static_cast<std::size_t>(row) * from_pitch + static_cast<std::size_t>(column) * pixel;
  auto* to = static_cast<std::byte*>(destination);
  for (std::int64_t r = 0; r < rows; ++r, from += from_pitch, to += to_pitch) {
    DVREN_RETURN_IF_ERROR(FromHp(hp_memory_copy(stream.hp(), to, from, to_pitch, HP_COPY_DEVICE_TO_HOST)));
  }
  return stream.Synchronize();
}

absl::Status Tensor::CopyFromHost(Stream& stream, const void* source) {
  if (bytes() == 0) return absl::OkStatus();
  DVREN_RETURN_IF_ERROR(FromHp(hp_memory_copy(stream.hp(), data(), source, bytes(), HP_COPY_HOST_TO_DEVICE)));
  return stream.Synchronize();  // the caller's memory is free to go when this returns
}

TensorView Narrow(TensorView view, int dim, std::int64_t begin, std::int64_t extent) {
  if (view.data == nullptr) return view;
  view.data = static_cast<std::byte*>(view.data) +
              begin * view.strides[dim] * static_cast<std::int64_t>(DTypeSize(static_cast<DType>(view.dtype)));
  view.shape[dim] = extent;
  return view;
}

}  // namespace dvren
