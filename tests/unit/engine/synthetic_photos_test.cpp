#include "dvren/train/synthetic_photos.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>

namespace dvren {
namespace {

io::DatasetRequest Split(const std::string& split, int downscale = 1) {
  io::DatasetRequest request;
  request.split = split;
  request.downscale = downscale;
  return request;
}

// exp(-integral of the density) along a pixel's ray, through its pose, by the midpoint rule.
double MarchedTransmittance(const io::PhotoCamera& camera, int x, int y, const GaussianBlob& blob) {
  const std::array<double, 12>& m = camera.camera_to_world.m;
  const double u = (x + 0.5 - camera.cx) / camera.fx, v = (y + 0.5 - camera.cy) / camera.fy;
  const double length = std::sqrt(u * u + v * v + 1);
  constexpr int kSteps = 4000;
  constexpr double kFar = 8, kStep = kFar / kSteps;
  double depth = 0;
  for (int k = 0; k < kSteps; ++k) {
    double square = 0;
    for (std::size_t i = 0; i < 12; i += 4) {
      const double direction = (m[i] * u + m[i + 1] * v + m[i + 2]) / length;
      square += std::pow(m[i + 3] + (k + 0.5) * kStep * direction, 2);
    }
    depth += kStep * blob.peak * std::exp(-square / (2 * blob.deviation * blob.deviation));
  }
  return std::exp(-depth);
}

TEST_CASE("Photographs of the blob are what marching through it along each pixel's ray gives") {
  const auto dataset = MakeGaussianPhotos(Split("all"));
  REQUIRE(dataset.ok());
  const GaussianBlob blob;
  for (const std::size_t view : {0, 11, 29}) {
    const io::Photo& photo = dataset->photos.photos[view];
    for (const auto& [x, y] : {std::pair(32, 32), {20, 40}, {45, 12}, {0, 63}}) {
      const double opacity = 1 - MarchedTransmittance(photo.camera, x, y, blob);
      const std::uint16_t* pixel = photo.values.data() + 4 * (y * photo.camera.width + x);
      CHECK(pixel[3] / 65535.0 == Approx(opacity).margin(2e-5));
      for (std::size_t c = 0; c < 3; ++c) CHECK(pixel[c] / 65535.0 == Approx(opacity * blob.color[c]).margin(2e-5));
    }
  }
}

TEST_CASE("The cameras of the blob are rigid, look at it and are all different") {
  const auto dataset = MakeGaussianPhotos(Split("all"));
  REQUIRE(dataset.ok());
  REQUIRE(dataset->photos.photos.size() == 30);
  for (const io::Photo& photo : dataset->photos.photos) {
    const std::array<double, 12>& m = photo.camera.camera_to_world.m;
    const Vec3 at_center = photo.camera.camera_to_world.Apply({0, 0, 4});
    for (const double value : at_center) CHECK(value == Approx(0).margin(1e-12));
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        const double dot = m[i] * m[j] + m[4 + i] * m[4 + j] + m[8 + i] * m[8 + j];
        CHECK(dot == Approx(i == j ? 1 : 0).margin(1e-12));
      }
    }
    CHECK(NormalizedDeterminant(photo.camera.camera_to_world) == Approx(1));
    CHECK(m[5] < 0);  // y of the image goes down
  }
}

TEST_CASE("Splits of the blob share no view, and together are all") {
  const auto names = [](const std::string& split) {
    const auto dataset = MakeGaussianPhotos(Split(split));
    REQUIRE(dataset.ok());
    std::vector<std::string> list;
    for (const io::Photo& photo : dataset->photos.photos) list.push_back(photo.name);
    return list;
  };
  std::vector<std::string> train = names("train"), test = names("test"), both = train;
  CHECK(train.size() == 24);
  CHECK(test.size() == 6);
  both.insert(both.end(), test.begin(), test.end());
  std::sort(both.begin(), both.end());
  CHECK(std::unique(both.begin(), both.end()) == both.end());
  CHECK(both.size() == names("all").size());
  CHECK(absl::IsInvalidArgument(MakeGaussianPhotos(Split("val")).status()));
}

TEST_CASE("Photographs of the blob are scaled down as those of files are, and reported as read") {
  const auto dataset = MakeGaussianPhotos(Split("train", 2));
  REQUIRE(dataset.ok());
  CHECK(dataset->photos.photos[0].camera.width == 32);
  CHECK(dataset->photos.photos[0].values.size() == 32 * 32 * 4);
  CHECK(dataset->report.images == 24);
  CHECK(dataset->report.channels == 4);
  CHECK(dataset->report.sizes[0].width == 32);
  CHECK(dataset->report.bytes == 24ULL * 32 * 32 * 4 * 2);
  CHECK(dataset->report.bounds == Box{{-1, -1, -1}, {1, 1, 1}});
  CHECK(absl::IsInvalidArgument(MakeGaussianPhotos(Split("train", 3)).status()));
}

}  // namespace
}  // namespace dvren
