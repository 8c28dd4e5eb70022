#include "dvren/client/render.h"

#include <catch2/catch.hpp>

#include "dvren/client/client.h"
#include "fake_daemon.h"

namespace dvren::client {
namespace {

using dvren::testing::FakeDaemon;
using dvren::testing::FakePixel;

Client Connected(const FakeDaemon& daemon) {
  auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  return *client;
}

v1::RenderRequest RoiRequest() {
  v1::RenderRequest request;
  request.mutable_roi()->set_x(10);
  request.mutable_roi()->set_y(20);
  request.mutable_roi()->set_width(8);
  request.mutable_roi()->set_height(5);
  return request;
}

TEST_CASE("Tiles become one image whatever their order") {
  FakeDaemon daemon;
  v1::RenderRequest request = RoiRequest();
  request.add_aovs(v1::AOV_RGB);
  request.add_aovs(v1::AOV_DEPTH);
  const v1::Precision precision = GENERATE(v1::PRECISION_F32, v1::PRECISION_F64);
  request.set_precision(precision);
  std::uint64_t done = 0, calls = 0;
  const auto frame = Connected(daemon).Render(request, [&](std::uint64_t d, std::uint64_t total) {
    CHECK(total == 40);
    CHECK(d > done);
    done = d;
    ++calls;
  });
  REQUIRE(frame.ok());
  CHECK(done == 40);
  CHECK(calls == 9);
  REQUIRE(frame->images.size() == 2);
  const Image& rgb = frame->images.at(v1::AOV_RGB);
  const Image& depth = frame->images.at(v1::AOV_DEPTH);
  CHECK(rgb.width == 8);
  CHECK(rgb.height == 5);
  CHECK(rgb.channels == 3);
  CHECK(depth.channels == 1);
  for (int y = 0; y < 5; ++y) {
    for (int x = 0; x < 8; ++x) {
      for (int c = 0; c < 3; ++c) REQUIRE(rgb.at(x, y, c) == FakePixel(v1::AOV_RGB, x + 10, y + 20, c));
      REQUIRE(depth.at(x, y) == FakePixel(v1::AOV_DEPTH, x + 10, y + 20, 0));
    }
  }
  CHECK(frame->report.header.request_id() == "r-1");
  CHECK(frame->report.summary.stats().rays() == 40);
  REQUIRE(frame->report.summary.warnings_size() == 1);
}

TEST_CASE("A render fills the caller's own memory, in the caller's precision") {
  FakeDaemon daemon;
  std::vector<double> depth(40, -1);
  std::vector<float> hit(40, -1);
  const std::vector<AovBuffer> targets{{v1::AOV_DEPTH, std::span<double>(depth)}, {v1::AOV_HIT, std::span<float>(hit)}};
  const auto report = Connected(daemon).RenderInto(RoiRequest(), targets);
  REQUIRE(report.ok());
  CHECK(depth[8] == static_cast<double>(FakePixel(v1::AOV_DEPTH, 10, 21, 0)));
  CHECK(hit[39] == FakePixel(v1::AOV_HIT, 17, 24, 0));
}

TEST_CASE("Buffers that do not fit are refused") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  std::vector<float> small(39), right(40);
  const auto code = [&](v1::RenderRequest request, std::vector<AovBuffer> targets) {
    return client.RenderInto(std::move(request), targets).status().code();
  };
  CHECK(code(RoiRequest(), {{v1::AOV_DEPTH, std::span<float>(small)}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code(RoiRequest(), {{v1::AOV_RGB, std::span<float>(right)}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code(RoiRequest(), {}) == absl::StatusCode::kInvalidArgument);
  CHECK(code(RoiRequest(), {{v1::AOV_HIT, std::span<float>(right)}, {v1::AOV_HIT, std::span<float>(right)}}) ==
        absl::StatusCode::kInvalidArgument);
  v1::RenderRequest other = RoiRequest();
  other.add_aovs(v1::AOV_RGB);
  CHECK(code(other, {{v1::AOV_HIT, std::span<float>(right)}}) == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("A stream that ends early is data loss, not a black corner") {
  FakeDaemon daemon;
  daemon.drop_tiles = 1;
  const auto frame = Connected(daemon).Render([] {
    v1::RenderRequest request = RoiRequest();
    request.add_aovs(v1::AOV_RGB);
    return request;
  }());
  CHECK(frame.status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("Many rays are split into requests that keep every ray's key") {
  FakeDaemon daemon;
  const std::size_t count = 150000;
  std::vector<float> origins(3 * count), directions(3 * count, 0.f), near(count, 0.f), far(count, 9.f);
  for (std::size_t i = 0; i < count; ++i) {
    origins[3 * i] = static_cast<float>(i);
    directions[3 * i + 2] = 1;
  }
  v1::RenderRaysRequest request;
  request.add_aovs(v1::AOV_OPACITY);
  const v1::Precision precision = GENERATE(v1::PRECISION_F32, v1::PRECISION_F64);
  request.set_precision(precision);
  RaysView rays;
  rays.origins = origins;
  rays.directions = directions;
  rays.t_near = near;
  rays.t_far = far;
  const auto result = Connected(daemon).RenderRays(request, rays);
  REQUIRE(result.ok());
  const auto& opacity = result->values.at(v1::AOV_OPACITY);
  REQUIRE(opacity.size() == count);
  REQUIRE(daemon.ray_ids.size() == count);
  bool right = true;
  for (std::size_t i = 0; i < count; ++i) {
    right = right && opacity[i] == static_cast<float>(i) && daemon.ray_ids[i] == static_cast<std::int64_t>(i);
  }
  CHECK(right);
  CHECK(result->stats.rays() == static_cast<std::int64_t>(count));
  CHECK(result->warnings == std::vector<std::string>{"the same"});
  CHECK(daemon.rays_per_request.size() == (precision == v1::PRECISION_F64 ? 5u : 3u));
}

TEST_CASE("Rays of unequal number are refused") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  const std::vector<float> six(6), five(5), three(3);
  const auto code = [&](std::span<const float> origins, std::span<const float> directions,
                        std::span<const float> near) {
    RaysView rays;
    rays.origins = origins;
    rays.directions = directions;
    rays.t_near = near;
    return client.RenderRays({}, rays).status().code();
  };
  CHECK(code({}, {}, {}) == absl::StatusCode::kInvalidArgument);
  CHECK(code(five, five, {}) == absl::StatusCode::kInvalidArgument);
  CHECK(code(six, three, {}) == absl::StatusCode::kInvalidArgument);
  CHECK(code(six, six, three) == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dvren::client
