// Requests that make no sense: each is refused with its field's name, and the daemon goes on.
#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <string>

#include "support/test_daemon.h"

namespace dvren::test {
namespace {

TEST_CASE("Renders that make no sense are refused by field, value and remedy") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  struct Refusal {
    std::function<void(v1::RenderRequest&)> change;
    grpc::StatusCode code;
    std::string message;
  };
  using grpc::StatusCode;
  const std::vector<Refusal> refusals = {
      {[](auto& r) { r.mutable_camera()->set_width(0); }, StatusCode::INVALID_ARGUMENT,
       "camera.width = 0: must be 1 to 8192"},
      {[](auto& r) { r.mutable_camera()->set_height(-5); }, StatusCode::INVALID_ARGUMENT, "camera.height = -5"},
      {[](auto& r) { r.mutable_camera()->set_width(std::numeric_limits<int>::max()); }, StatusCode::INVALID_ARGUMENT,
       "camera.width = 2147483647"},
      {[](auto& r) { r.mutable_sampling()->set_dt(-0.1); }, StatusCode::INVALID_ARGUMENT,
       "sampling.dt = -0.1: must be > 0"},
      {[](auto& r) { r.mutable_sampling()->set_dt(std::numeric_limits<double>::quiet_NaN()); },
       StatusCode::INVALID_ARGUMENT, "sampling.dt = nan"},
      {[](auto& r) { r.mutable_sampling()->set_dt(1e-300); }, StatusCode::INVALID_ARGUMENT, "sampling.dt = 1e-300"},
      {[](auto& r) { r.mutable_sampling()->set_max_steps(std::numeric_limits<std::int64_t>::max()); },
       StatusCode::INVALID_ARGUMENT, "sampling.max_steps = 9223372036854775807"},
      {[](auto& r) { r.mutable_sampling()->set_max_steps(-1); }, StatusCode::INVALID_ARGUMENT,
       "sampling.max_steps = -1"},
      {[](auto& r) { r.mutable_camera()->mutable_camera_to_world()->set_m(0, 0); }, StatusCode::INVALID_ARGUMENT,
       "camera.camera_to_world.m"},
      {[](auto& r) { r.mutable_camera()->clear_model(); }, StatusCode::INVALID_ARGUMENT, "camera.model = absent"},
      {[](auto& r) { r.mutable_roi()->set_width(17); }, StatusCode::INVALID_ARGUMENT, "roi.height = 0"},
      {[](auto& r) { r.mutable_roi()->set_x(8), r.mutable_roi()->set_width(9), r.mutable_roi()->set_height(1); },
       StatusCode::INVALID_ARGUMENT, "roi.x = 8"},
      {[](auto& r) { r.set_tile(7); }, StatusCode::INVALID_ARGUMENT, "tile = 7: must be 16 to "},
      {[](auto& r) { r.set_tile(1024); }, StatusCode::INVALID_ARGUMENT, "tile = 1024"},
      {[](auto& r) { r.add_aovs(v1::AOV_UNSPECIFIED); }, StatusCode::INVALID_ARGUMENT, "aovs[0] = 0"},
      {[](auto& r) { r.set_precision(v1::PRECISION_F16); }, StatusCode::UNIMPLEMENTED, "precision = F16"},
      {[](auto& r) { r.mutable_scene()->clear_instances(); }, StatusCode::INVALID_ARGUMENT, "scene.instances = none"},
      {[](auto& r) { r.mutable_scene()->add_instances()->set_field("fog"); }, StatusCode::UNIMPLEMENTED,
       "scene.instances = 2"},
      {[](auto& r) { r.mutable_scene()->mutable_instances(0)->set_field("mist"); }, StatusCode::NOT_FOUND,
       "field = mist"},
      {[](auto& r) { r.mutable_scene()->mutable_instances(0)->set_field_version(2); }, StatusCode::ABORTED,
       "field_version = 2"},
      {[](auto& r) { r.set_device("cuda:99"); }, StatusCode::NOT_FOUND, "device = cuda:99"},
  };
  for (const Refusal& refusal : refusals) {
    v1::RenderRequest request = Picture("fog", 16, 0.1);
    refusal.change(request);
    const RenderResult render = Render(*daemon, request);
    INFO(refusal.message << " | " << render.status.error_message());
    CHECK(render.status.error_code() == refusal.code);
    CHECK(render.status.error_message().find(refusal.message) != std::string::npos);
    CHECK(render.status.error_message().find('\n') == std::string::npos);
    CHECK(render.tiles == 0);
  }
  CHECK(Render(*daemon, Picture("fog", 16, 0.1)).status.ok());
  CHECK(daemon.BecomesIdle());
}

}  // namespace
}  // namespace dvren::test
