// Tensors on the wire: given rays in, images out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dvren/core/dtype.h"
#include "dvren/plan/plan.h"
#include "dvren/render/frame.h"
#include "dvren/render/renderer.h"
#include "dvren/v1/render_service.pb.h"

namespace dvren::server {

[[nodiscard]] v1::DType EncodeDType(DType dtype);
[[nodiscard]] absl::StatusOr<DType> DecodeDType(v1::DType dtype, const std::string& path);
[[nodiscard]] constexpr DType DTypeOf(Precision precision) {
  return precision == Precision::kF64 ? DType::kF64 : DType::kF32;
}

// The bytes of a payload inside its message. UNIMPLEMENTED for uploads and shared memory.
[[nodiscard]] absl::StatusOr<const std::string*> InlineBytes(const v1::TensorPayload& payload, const std::string& path);

// The elements of a tensor that must have this dtype and shape (count[, width]); width 0: no second extent.
[[nodiscard]] absl::StatusOr<const std::string*> TensorBytes(const v1::Tensor& tensor, DType dtype, std::int64_t count,
                                                             int width, const std::string& path);

// Checks dtype, shapes, finiteness and unit length; the batch points into `rays`, which must outlive it.
[[nodiscard]] absl::StatusOr<RayBatch> DecodeRays(const v1::Rays& rays, Precision precision);

// One image that a request asked for: its name on the wire, and where it is in a frame.
struct AovChannel {
  std::uint32_t bit;
  v1::Aov aov;
  int channels;
  Tensor Frame::*image;
};
// Those among `aovs`, in the order of the wire.
[[nodiscard]] std::vector<AovChannel> ChannelsOf(std::uint32_t aovs);
// Bytes of all asked images for one pixel or ray.
[[nodiscard]] std::size_t BytesPerPixel(std::uint32_t aovs, Precision precision);

// An AOV message of this shape (channels are appended for rgb) with `bytes` of room for the elements.
std::string* AddImage(const AovChannel& channel, Precision precision, std::initializer_list<std::int64_t> shape,
                      google::protobuf::RepeatedPtrField<v1::AovTensor>* images);

void EncodeStats(const RenderStats& stats, v1::RenderStats* message);
// What a user should know about a finished render, in sentences.
[[nodiscard]] std::vector<std::string> WarningsOf(const RenderStats& stats, const SamplingSpec& sampling);

}  // namespace dvren::server
