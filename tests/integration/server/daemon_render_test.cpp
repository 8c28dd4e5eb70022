// Renders over the wire: what a stream holds, defaults, given rays.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <vector>

#include "support/test_daemon.h"

namespace dvren::test {
namespace {

std::vector<float> Floats(const std::string& bytes) {
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

void SetTensor(v1::Tensor* tensor, const std::vector<std::int64_t>& shape, const std::vector<float>& values) {
  tensor->set_dtype(v1::DTYPE_F32);
  tensor->mutable_shape()->Assign(shape.begin(), shape.end());
  tensor->mutable_payload()->set_inline_(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

// n rays along +z through the unit cube.
v1::RenderRaysRequest RaysThrough(const std::string& field, int n, double dt) {
  v1::RenderRaysRequest request;
  request.mutable_scene()->add_instances()->set_field(field);
  std::vector<float> origins, directions;
  for (int i = 0; i < n; ++i) {
    for (const float x : {(static_cast<float>(i) + 0.5f) / static_cast<float>(n), 0.5f, -1.0f}) origins.push_back(x);
    for (const float x : {0.0f, 0.0f, 1.0f}) directions.push_back(x);
  }
  SetTensor(request.mutable_rays()->mutable_origins(), {n, 3}, origins);
  SetTensor(request.mutable_rays()->mutable_directions(), {n, 3}, directions);
  request.mutable_sampling()->set_dt(dt);
  return request;
}

std::pair<grpc::Status, v1::RenderRaysResponse> RenderRays(DaemonStubs& daemon, const v1::RenderRaysRequest& request) {
  grpc::ClientContext context;
  v1::RenderRaysResponse response;
  grpc::Status status = daemon.render->RenderRays(&context, request, &response);
  return {status, response};
}

TEST_CASE("A slab of constant density is as opaque as the formula says") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 2)).first.ok());
  v1::RenderRequest request = Picture("fog", 40, 0.01);
  for (const v1::Aov aov : {v1::AOV_RGB, v1::AOV_OPACITY, v1::AOV_TRANSMITTANCE, v1::AOV_DEPTH, v1::AOV_HIT})
    request.add_aovs(aov);
  const RenderResult render = Render(*daemon, request);
  REQUIRE(render.status.error_message() == "");
  CHECK(render.header.tiles() == render.tiles);
  CHECK(render.header.device() == "cpu");
  CHECK_FALSE(render.header.request_id().empty());
  CHECK(render.header.camera().width() == 40);
  CHECK(render.header.sampling().early_stop() == 1e-4);
  CHECK(render.summary.stats().rays() == 1600);
  CHECK(render.summary.stats().samples() >= 1600 * 99);
  CHECK(render.summary.field_version() == 1);
  const double opacity = 1 - std::exp(-2.0);
  for (const float value : Floats(render.image(v1::AOV_OPACITY))) CHECK(value == Approx(opacity).epsilon(1e-5));
  for (const float value : Floats(render.image(v1::AOV_RGB))) CHECK(value == Approx(opacity).epsilon(1e-5));
  for (const float value : Floats(render.image(v1::AOV_HIT))) CHECK(value == 1);
}

TEST_CASE("The size of the tiles, and a region of the image, change no bits") {
  TestDaemon daemon;
  std::vector<float> values;
  for (int i = 0; i < 5 * 5 * 5; ++i) values.push_back(static_cast<float>(i * 37 % 11));
  REQUIRE(Create(*daemon, RawField("noise", {5, 5, 5, 1}, values)).first.ok());
  v1::RenderRequest request = Picture("noise", 200, 0.02);
  const RenderResult whole = Render(*daemon, request);
  REQUIRE(whole.status.ok());
  CHECK(whole.tiles == 4);
  request.set_tile(48);
  const RenderResult small = Render(*daemon, request);
  REQUIRE(small.status.ok());
  CHECK(small.tiles == 25);
  CHECK(small.image(v1::AOV_RGB) == whole.image(v1::AOV_RGB));

  v1::Roi* roi = request.mutable_roi();
  roi->set_x(33);
  roi->set_y(77);
  roi->set_width(100);
  roi->set_height(3);
  const RenderResult part = Render(*daemon, request);
  REQUIRE(part.status.ok());
  for (std::size_t row = 0; row < 3; ++row) {
    CHECK(part.image(v1::AOV_RGB).substr(row * 1200, 1200) ==
          whole.image(v1::AOV_RGB).substr(((77 + row) * 200 + 33) * 12, 1200));
  }
}

TEST_CASE("A request of a field alone gives the default view") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 3)).first.ok());
  v1::RenderRequest request;
  request.mutable_scene()->add_instances()->set_field("fog");
  const RenderResult render = Render(*daemon, request);
  REQUIRE(render.status.error_message() == "");
  CHECK(render.header.camera().width() == 1024);
  CHECK(render.header.camera().height() == 1024);
  CHECK(render.header.sampling().dt() == Approx(0.5));
  CHECK(render.header.sampling().max_steps() == 1 << 20);
  CHECK(render.image(v1::AOV_RGB).size() == 1024 * 1024 * 12);
}

TEST_CASE("Rays cut by max_steps are counted and warned of") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  v1::RenderRequest request = Picture("fog", 16, 0.01);
  request.mutable_sampling()->set_max_steps(3);
  const RenderResult render = Render(*daemon, request);
  REQUIRE(render.status.ok());
  CHECK(render.summary.stats().truncated_rays() == 256);
  REQUIRE(render.summary.warnings_size() == 1);
  CHECK(render.summary.warnings(0).find("sampling.max_steps = 3") != std::string::npos);
}

TEST_CASE("Given rays answer like pixels, however many slices they take") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 2)).first.ok());
  for (const int n : {1, 1024, 40000}) {
    v1::RenderRaysRequest request = RaysThrough("fog", n, 0.05);
    request.add_aovs(v1::AOV_RGB);
    request.add_aovs(v1::AOV_OPACITY);
    const auto [status, response] = RenderRays(*daemon, request);
    REQUIRE(status.error_message() == "");
    CHECK(response.stats().rays() == n);
    REQUIRE(response.images_size() == 2);
    CHECK(response.images(0).tensor().shape_size() == 2);
    CHECK(response.images(0).tensor().shape(0) == n);
    const std::vector<float> opacity = Floats(response.images(1).tensor().payload().inline_());
    REQUIRE(opacity.size() == static_cast<std::size_t>(n));
    for (const float value : {opacity.front(), opacity[opacity.size() / 2], opacity.back()}) {
      CHECK(value == Approx(1 - std::exp(-2.0)).epsilon(1e-5));
    }
  }
}

TEST_CASE("Slices of a large batch keep each ray's own random numbers") {
  TestDaemon daemon;
  std::vector<float> values;
  for (int i = 0; i < 64; ++i) values.push_back(static_cast<float>(i % 7));
  REQUIRE(Create(*daemon, RawField("noise", {4, 4, 4, 1}, values)).first.ok());
  v1::RenderRaysRequest request = RaysThrough("noise", 20000, 0.3);
  request.mutable_sampling()->set_mode(v1::SAMPLING_MODE_STRATIFIED);
  request.mutable_sampling()->set_seed(5);
  const auto [status, whole] = RenderRays(*daemon, request);
  REQUIRE(status.ok());
  // The last ray alone, by its index.
  const std::string origins = request.rays().origins().payload().inline_();
  v1::RenderRaysRequest last = RaysThrough("noise", 1, 0.3);
  *last.mutable_sampling() = request.sampling();
  last.mutable_rays()->mutable_origins()->mutable_payload()->set_inline_(origins.substr(origins.size() - 12));
  const std::int64_t id = 19999;
  last.mutable_rays()->mutable_ids()->set_dtype(v1::DTYPE_I64);
  last.mutable_rays()->mutable_ids()->add_shape(1);
  last.mutable_rays()->mutable_ids()->mutable_payload()->set_inline_(reinterpret_cast<const char*>(&id), sizeof(id));
  const auto [last_status, single] = RenderRays(*daemon, last);
  REQUIRE(last_status.error_message() == "");
  const std::string rgb = whole.images(0).tensor().payload().inline_();
  CHECK(rgb.substr(rgb.size() - 12) == single.images(0).tensor().payload().inline_());
}

}  // namespace
}  // namespace dvren::test
