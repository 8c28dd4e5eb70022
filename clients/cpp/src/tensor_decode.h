// Elements of a received tensor, converted to what the caller keeps.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "dvren/client/status.h"
#include "dvren/v1/common.pb.h"

namespace dvren::client {

static_assert(std::endian::native == std::endian::little,
              "tensors are little-endian on the wire and copied as they are");

// INTERNAL when `tensor` is not an inline f32 or f64 array of `count` elements.
[[nodiscard]] inline absl::Status CheckTensor(const v1::Tensor& tensor, std::size_t count, absl::string_view what) {
  const std::size_t size = tensor.dtype() == v1::DTYPE_F32 ? 4 : tensor.dtype() == v1::DTYPE_F64 ? 8 : 0;
  if (size == 0 || tensor.payload().inline_().size() != count * size) {
    return absl::InternalError(absl::StrCat(what, ": ", tensor.payload().inline_().size(), " bytes of ",
                                            v1::DType_Name(tensor.dtype()), " for ", count,
                                            " values; client and daemon do not fit, use the same version"));
  }
  return absl::OkStatus();
}

// Copies `count` elements from element `first` on. The tensor was checked.
template <class T>
void CopyElements(const v1::Tensor& tensor, std::size_t first, std::size_t count, T* out) {
  const char* bytes = tensor.payload().inline_().data();
  const auto copy = [&]<class Wire>(Wire) {
    if constexpr (std::is_same_v<T, Wire>) {
      std::memcpy(out, bytes + first * sizeof(Wire), count * sizeof(Wire));
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        Wire value;
        std::memcpy(&value, bytes + (first + i) * sizeof(Wire), sizeof(Wire));
        out[i] = static_cast<T>(value);
      }
    }
  };
  if (tensor.dtype() == v1::DTYPE_F64) {
    copy(double{});
  } else {
    copy(float{});
  }
}

}  // namespace dvren::client
