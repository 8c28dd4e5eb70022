#include "render_options.h"

#include <catch2/catch.hpp>

#include "image_files.h"

namespace dvren::ctl {
namespace {

RenderOptions Plain() {
  RenderOptions options;
  options.field = "smoke";
  options.out = "a.png";
  return options;
}

v1::Field UnitField() {
  v1::Field field;
  field.set_version(3);
  field.mutable_world_box()->mutable_max()->set_x(1);
  field.mutable_world_box()->mutable_max()->set_y(1);
  field.mutable_world_box()->mutable_max()->set_z(1);
  return field;
}

std::string ErrorOf(const RenderOptions& options) {
  const absl::Status status = CheckRenderOptions(options);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST_CASE("Options that were not given leave the daemon's defaults alone") {
  CHECK_FALSE(NeedsBox(Plain()));
  const auto requests = MakeRequests(Plain(), {});
  REQUIRE(requests.ok());
  REQUIRE(requests->size() == 1);
  v1::RenderRequest expected;
  expected.mutable_scene()->add_instances()->set_field("smoke");
  expected.mutable_sampling();
  expected.add_aovs(v1::AOV_RGB);
  CHECK((*requests)[0].SerializeAsString() == expected.SerializeAsString());
}

TEST_CASE("Every option reaches the request") {
  RenderOptions options = Plain();
  options.step = 0.25;
  options.max_steps = 99;
  options.sampling = "stratified";
  options.seed = 7;
  options.early_stop = 0;
  options.sigma_scale = 2;
  options.color = "1,0.5,0";
  options.background = "0, 0.25 ,1";
  options.aov = "depth,hit,depth";
  options.precision = "f64";
  options.device = "cpu";
  options.roi = "1,2,3,4";
  options.width = 32;
  const auto requests = MakeRequests(options, UnitField());
  REQUIRE(requests.ok());
  const v1::RenderRequest& request = (*requests)[0];
  CHECK(request.sampling().dt() == 0.25);
  CHECK(request.sampling().max_steps() == 99);
  CHECK(request.sampling().mode() == v1::SAMPLING_MODE_STRATIFIED);
  CHECK(request.sampling().seed() == 7);
  CHECK(request.sampling().has_early_stop());
  CHECK(request.sampling().early_stop() == 0);
  CHECK(request.scene().instances(0).sigma_scale() == 2);
  CHECK(request.scene().instances(0).constant().rgb().y() == 0.5);
  CHECK(request.scene().background().y() == 0.25);
  CHECK(request.aovs_size() == 3);
  CHECK(request.precision() == v1::PRECISION_F64);
  CHECK(request.device() == "cpu");
  CHECK(request.roi().height() == 4);
  CHECK(request.camera().width() == 32);
  CHECK(request.camera().height() == 32);
}

TEST_CASE("A turn asks for one version of the field all around") {
  RenderOptions options = Plain();
  options.orbit = "0,0,4";
  options.orbit_frames = 4;
  const auto requests = MakeRequests(options, UnitField());
  REQUIRE(requests.ok());
  REQUIRE(requests->size() == 4);
  for (const v1::RenderRequest& request : *requests) CHECK(request.scene().instances(0).field_version() == 3);
  CHECK((*requests)[0].camera().camera_to_world().m(11) == Approx(4.5));
  CHECK((*requests)[1].camera().camera_to_world().m(3) == Approx(4.5));
  CHECK((*requests)[2].camera().camera_to_world().m(11) == Approx(-3.5));
}

TEST_CASE("Wrong render options are named with value and remedy") {
  const auto with = [](auto set) {
    RenderOptions options = Plain();
    set(options);
    return ErrorOf(options);
  };
  CHECK_THAT(with([](auto& o) { o.color = "1,2"; }), Catch::Contains("--color = 1,2: must be 3 numbers, R,G,B, not 2"));
  CHECK_THAT(with([](auto& o) { o.color = "1,2,x"; }), Catch::Contains("\"x\" is not a finite number"));
  CHECK_THAT(with([](auto& o) { o.background = "nan,0,0"; }), Catch::Contains("--background = nan,0,0"));
  CHECK_THAT(with([](auto& o) { o.orbit = "1,2,-3"; }), Catch::Contains("DIST must be > 0"));
  CHECK_THAT(with([](auto& o) { o.orbit = "1"; }), Catch::Contains("AZ,EL"));
  CHECK_THAT(with([](auto& o) { o.fov = 180; }), Catch::Contains("--fov = 180"));
  CHECK_THAT(with([](auto& o) { o.step = 0; }), Catch::Contains("--step = 0: must be > 0"));
  CHECK_THAT(with([](auto& o) { o.max_steps = 0; }), Catch::Contains("--max-steps = 0"));
  CHECK_THAT(with([](auto& o) { o.width = 0; }), Catch::Contains("--width = 0"));
  CHECK_THAT(with([](auto& o) { o.roi = "0,0,0,1"; }), Catch::Contains("--roi = 0,0,0,1"));
  CHECK_THAT(with([](auto& o) { o.roi = "0,0,1.5,1"; }), Catch::Contains("whole numbers"));
  CHECK_THAT(with([](auto& o) { o.sampling = "stratifed"; }), Catch::Contains("did you mean stratified?"));
  CHECK_THAT(with([](auto& o) { o.aov = "depht"; }), Catch::Contains("did you mean depth?"));
  CHECK_THAT(with([](auto& o) { o.precision = "f16"; }), Catch::Contains("must be f32 or f64"));
  CHECK_THAT(with([](auto& o) { o.orbit_frames = 0; }), Catch::Contains("--orbit-frames = 0"));
  CHECK_THAT(with([](auto& o) { o.camera = "c.json", o.orbit = "1,2,3"; }),
             Catch::Contains("does not go with --camera"));
  CHECK_THAT(with([](auto& o) { o.color = "1,1,1", o.transfer = "t.json"; }),
             Catch::Contains("does not go with --color"));
}

TEST_CASE("A file that cannot hold what was asked for is refused before the render") {
  CHECK(CheckImageFile("a.png", {v1::AOV_RGB}, 16).ok());
  CHECK(CheckImageFile("a.EXR", {v1::AOV_RGB, v1::AOV_DEPTH}, 0).ok());
  CHECK_THAT(std::string(CheckImageFile("a.png", {v1::AOV_RGB, v1::AOV_DEPTH}, 0).message()),
             Catch::Contains("write .exr or .npz"));
  CHECK_THAT(std::string(CheckImageFile("a.exr", {v1::AOV_RGB}, 16).message()),
             Catch::Contains("--bits = 16: is for .png"));
  CHECK_THAT(std::string(CheckImageFile("a.png", {v1::AOV_RGB}, 12).message()), Catch::Contains("must be 8 or 16"));
  CHECK(CheckImageFile("a.png", {v1::AOV_RGB}, 0, "srgb").ok());
  CHECK_THAT(std::string(CheckImageFile("a.exr", {v1::AOV_RGB}, 0, "srgb").message()),
             Catch::Contains("--color-space = srgb: is for .png"));
  CHECK_THAT(std::string(CheckImageFile("a.png", {v1::AOV_RGB}, 0, "rec709").message()),
             Catch::Contains("--color-space = rec709: must be linear or srgb"));
  CHECK_THAT(std::string(CheckImageFile("a.jpg", {v1::AOV_RGB}, 0).message()),
             Catch::Contains("must end in .png, .exr, .npy or .npz"));
}

}  // namespace
}  // namespace dvren::ctl
