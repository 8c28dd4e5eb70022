#include "server/codec/gradient_codec.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "server/codec/adjoint_codec.h"

namespace dvren::server {
namespace {

v1::RenderTile TileOf(int x, int y, int width, int height, v1::Aov aov, const std::vector<float>& values) {
  v1::RenderTile tile;
  tile.mutable_roi()->set_x(x);
  tile.mutable_roi()->set_y(y);
  tile.mutable_roi()->set_width(width);
  tile.mutable_roi()->set_height(height);
  v1::AovTensor* image = tile.add_images();
  image->set_aov(aov);
  image->mutable_tensor()->set_dtype(v1::DTYPE_F32);
  image->mutable_tensor()->add_shape(height);
  image->mutable_tensor()->add_shape(width);
  if (aov == v1::AOV_RGB) image->mutable_tensor()->add_shape(3);
  image->mutable_tensor()->mutable_payload()->set_inline_(reinterpret_cast<const char*>(values.data()),
                                                          values.size() * sizeof(float));
  return tile;
}

TEST_CASE("Tiles in any order become the image of the region") {
  AdjointImage image(Roi{10, 20, 3, 2}, Precision::kF32);
  REQUIRE(image.Add(TileOf(11, 20, 2, 2, v1::AOV_DEPTH, {2, 3, 5, 6})).ok());
  CHECK(image.CheckComplete().message() ==
        "adjoint = 4 of 6 pixels: pixel (x, y) = (10, 20) is in no tile; cover the tape's image");
  REQUIRE(image.Add(TileOf(10, 20, 1, 2, v1::AOV_DEPTH, {1, 4})).ok());
  REQUIRE(image.CheckComplete().ok());
  const HostImageAdjoint view = image.view();
  CHECK(view.rgb == nullptr);
  CHECK(view.opacity == nullptr);
  CHECK(view.transmittance == nullptr);
  std::vector<float> values(6);
  std::memcpy(values.data(), view.depth, 6 * sizeof(float));
  CHECK(values == std::vector<float>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("A value that is not finite is named by image, pixel and channel") {
  AdjointImage image(Roi{0, 0, 2, 1}, Precision::kF32);
  std::vector<float> rgb{0, 0, 0, 0, std::numeric_limits<float>::infinity(), 0};
  CHECK(std::string(image.Add(TileOf(0, 0, 2, 1, v1::AOV_RGB, rgb)).message())
            .find("adjoint.rgb[y=0,x=1,channel=1] = inf: must be finite") == 0);
}

TEST_CASE("The memory of dL/d(image) is known before it is taken") {
  const v1::RenderTile tile = TileOf(0, 0, 1, 1, v1::AOV_RGB, {0, 0, 0});
  CHECK(*AdjointImage::BytesFor(tile, Roi{0, 0, 100, 10}, Precision::kF32) == 13 * 1000);
  CHECK(*AdjointImage::BytesFor(tile, Roi{0, 0, 100, 10}, Precision::kF64) == 25 * 1000);
}

TEST_CASE("What a request for gradients cannot mean is refused") {
  v1::GradientRequest request;
  CHECK(absl::IsInvalidArgument(DecodeGradientRequest(request, false).status()));
  request.set_step(true);
  CHECK(DecodeGradientRequest(request, false)->step);
  request.set_exponent(-100);
  CHECK(DecodeGradientRequest(request, true)->exponent == -100);
  request.set_exponent(-101);
  CHECK(absl::IsInvalidArgument(DecodeGradientRequest(request, true).status()));
  request.clear_exponent();
  request.set_dtype(v1::DTYPE_I32);
  CHECK(absl::IsInvalidArgument(DecodeGradientRequest(request, true).status()));
}

}  // namespace
}  // namespace dvren::server
