// GradientValues: a copy of a gradient in host memory, as it goes out in chunks: of NanoVDB the origins of the leaves
// first, then the values.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dvren/diff/gradient_statistics.h"
#include "dvren/diff/gradient_tensor.h"
#include "dvren/io/volume.h"
#include "dvren/v1/field_service.pb.h"
#include "dvren/v1/render_service.pb.h"
#include "server/registries/gradient_registry.h"

namespace dvren::server {

class GradientValues {
 public:
  // On a device worker. The copy's bytes are charged to the field's owner for as long as it lives. RESOURCE_EXHAUSTED
  // when the budget has no room, OUT_OF_RANGE when a sum has left its range.
  [[nodiscard]] static absl::StatusOr<GradientValues> Read(Stream& stream, const FieldGradient& gradient, DType dtype,
                                                           ByteBudget& budget);

  [[nodiscard]] std::uint64_t bytes() const { return origins_.size() + values_.size(); }
  [[nodiscard]] GradientStatistics Statistics() const;
  void Describe(v1::GradientArray* message) const;
  void Describe(v1::GradientDescription* message) const;
  // The chunk at `offset` < bytes(), with its CRC.
  void FillChunk(std::uint64_t offset, v1::Chunk* chunk) const;

 private:
  GradientValues() = default;
  FieldKey field_;
  DType dtype_ = DType::kF32;
  std::vector<std::int64_t> shape_;
  int exponent_ = 0;
  io::Blob origins_, values_;
  ByteCharge charge_;
};

}  // namespace dvren::server
