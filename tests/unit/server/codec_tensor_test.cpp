#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "server/codec/tensor_codec.h"

namespace dvren::server {
namespace {

template <class Element>
void Fill(v1::Tensor* tensor, v1::DType dtype, const std::vector<std::int64_t>& shape,
          const std::vector<Element>& values) {
  tensor->set_dtype(dtype);
  tensor->mutable_shape()->Assign(shape.begin(), shape.end());
  tensor->mutable_payload()->set_inline_(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Element));
}

v1::Rays TwoRays() {
  v1::Rays rays;
  Fill<float>(rays.mutable_origins(), v1::DTYPE_F32, {2, 3}, {0, 0, 0, 1, 1, 1});
  Fill<float>(rays.mutable_directions(), v1::DTYPE_F32, {2, 3}, {0, 0, 1, 1, 0, 0});
  return rays;
}

std::string Refusal(const v1::Rays& rays, Precision precision = Precision::kF32) {
  const auto decoded = DecodeRays(rays, precision);
  return decoded.ok() ? "" : std::string(decoded.status().message());
}

TEST_CASE("Rays point into their message") {
  const v1::Rays rays = TwoRays();
  const auto batch = DecodeRays(rays, Precision::kF32);
  REQUIRE(batch.ok());
  CHECK(batch->count == 2);
  CHECK(batch->origins == rays.origins().payload().inline_().data());
  CHECK(batch->t_near == nullptr);
  CHECK(batch->ids == nullptr);
}

TEST_CASE("Rays of another type, shape or size than asked for are refused by name") {
  CHECK(Refusal(TwoRays(), Precision::kF64).find("rays.origins.dtype = f32: must be f64") == 0);
  v1::Rays rays = TwoRays();
  rays.mutable_directions()->set_shape(0, 3);
  CHECK(Refusal(rays) == "rays.directions.shape = (3, 3): must be (2, 3)");
  rays = TwoRays();
  rays.mutable_origins()->mutable_payload()->mutable_inline_()->pop_back();
  CHECK(Refusal(rays).find("rays.origins.payload.inline = 23 bytes: shape and dtype need 24") == 0);
  rays = TwoRays();
  rays.mutable_origins()->set_shape(0, std::numeric_limits<std::int64_t>::max());
  CHECK(Refusal(rays).find("rays.origins.shape = ") == 0);
  rays = TwoRays();
  rays.mutable_origins()->set_shape(0, 0);
  CHECK(Refusal(rays).find("rays.origins.shape = (0, 3)") == 0);
  rays = TwoRays();
  Fill<std::int32_t>(rays.mutable_ids(), v1::DTYPE_I32, {2}, {0, 1});
  CHECK(Refusal(rays).find("rays.ids.dtype = i32: must be i64") == 0);
  CHECK(Refusal(v1::Rays()).find("rays.origins.shape = ()") == 0);
}

TEST_CASE("Rays that are no rays are refused with their index") {
  v1::Rays rays = TwoRays();
  Fill<float>(rays.mutable_directions(), v1::DTYPE_F32, {2, 3}, {0, 0, 1, 1, 1, 0});
  CHECK(Refusal(rays).find("rays.directions[1] = (1, 1, 0): must have unit length") == 0);
  rays = TwoRays();
  Fill<float>(rays.mutable_origins(), v1::DTYPE_F32, {2, 3}, {0, 0, std::numeric_limits<float>::quiet_NaN(), 1, 1, 1});
  CHECK(Refusal(rays).find("rays.origins[0] = ") == 0);
  rays = TwoRays();
  Fill<float>(rays.mutable_t_near(), v1::DTYPE_F32, {2}, {0, -1});
  CHECK(Refusal(rays).find("rays.t_near[1] = -1") == 0);
  rays = TwoRays();
  Fill<float>(rays.mutable_t_far(), v1::DTYPE_F32, {2},
              {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()});
  CHECK(Refusal(rays).find("rays.t_far[1] = nan") == 0);
}

TEST_CASE("Payloads outside the message are not implemented yet and say so") {
  v1::Rays rays = TwoRays();
  rays.mutable_origins()->mutable_payload()->set_upload("uploads/x");
  CHECK(absl::IsUnimplemented(DecodeRays(rays, Precision::kF32).status()));
  rays.mutable_origins()->mutable_payload()->mutable_shared_memory()->set_segment("s");
  CHECK(absl::IsUnimplemented(DecodeRays(rays, Precision::kF32).status()));
  rays.mutable_origins()->mutable_payload()->Clear();
  CHECK(Refusal(rays).find("rays.origins.payload = absent") == 0);
}

TEST_CASE("An image message has room for its elements and says what they are") {
  google::protobuf::RepeatedPtrField<v1::AovTensor> images;
  const auto channels = ChannelsOf(kAovRgb | kAovDepth);
  REQUIRE(channels.size() == 2);
  CHECK(AddImage(channels[0], Precision::kF32, {2, 5}, &images)->size() == 2 * 5 * 3 * 4);
  CHECK(AddImage(channels[1], Precision::kF64, {2, 5}, &images)->size() == 2 * 5 * 8);
  CHECK(images[0].aov() == v1::AOV_RGB);
  CHECK(images[0].tensor().shape_size() == 3);
  CHECK(images[1].tensor().shape_size() == 2);
  CHECK(images[1].tensor().dtype() == v1::DTYPE_F64);
  CHECK(BytesPerPixel(kAovRgb | kAovDepth, Precision::kF32) == 16);
}

}  // namespace
}  // namespace dvren::server
