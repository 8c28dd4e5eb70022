// GradientAssembler: dL/d(field values) out of the chunks of a stream.
#pragma once

#include <string>

#include "dvren/client/gradients.h"
#include "dvren/client/status.h"

namespace dvren::client {

class GradientAssembler {
 public:
  // INTERNAL for an array that cannot be.
  [[nodiscard]] absl::Status Begin(const google::protobuf::RepeatedField<std::int64_t>& shape, v1::DType dtype,
                                   std::uint64_t origins_bytes, int exponent, std::uint64_t field_version);
  [[nodiscard]] bool begun() const { return begun_; }
  // DATA_LOSS for a gap or a wrong CRC.
  [[nodiscard]] absl::Status Add(const v1::Chunk& chunk);
  // DATA_LOSS unless all of it has come.
  [[nodiscard]] absl::StatusOr<ValueGradient> Finish();

 private:
  bool begun_ = false;
  ValueGradient gradient_;
  v1::DType dtype_ = v1::DTYPE_F32;
  std::uint64_t origins_bytes_ = 0, total_bytes_ = 0;
  std::string bytes_;
};

}  // namespace dvren::client
