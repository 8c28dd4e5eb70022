#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "server/codec/camera_codec.h"

namespace dvren::server {
namespace {

constexpr int kEdge = 8192;

v1::Camera Pinhole() {
  v1::Camera camera;
  camera.set_width(64);
  camera.set_height(48);
  camera.mutable_pinhole()->set_fx(50);
  camera.mutable_pinhole()->set_fy(51);
  for (const double m : {1, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 3}) camera.mutable_camera_to_world()->add_m(m);
  return camera;
}

// The message of the refusal; "" when the camera is accepted.
std::string Refusal(const v1::Camera& camera) {
  const auto decoded = DecodeCamera(camera, kEdge);
  if (decoded.ok()) return "";
  CHECK((absl::IsInvalidArgument(decoded.status()) || absl::IsUnimplemented(decoded.status())));
  return std::string(decoded.status().message());
}

TEST_CASE("A camera without a principal point looks through the image's centre") {
  const auto camera = DecodeCamera(Pinhole(), kEdge);
  REQUIRE(camera.ok());
  const auto& model = std::get<PinholeModel>(camera->model);
  CHECK(model.cx == 32);
  CHECK(model.cy == 24);
  CHECK(camera->t_near == 0);
  CHECK(std::isinf(camera->t_far));
}

TEST_CASE("An OpenGL pose becomes an OpenCV one by negating its y and z columns") {
  v1::Camera message = Pinhole();
  message.set_convention(v1::AXIS_CONVENTION_OPENGL);
  const auto camera = DecodeCamera(message, kEdge);
  REQUIRE(camera.ok());
  CHECK(camera->camera_to_world().m == std::array<double, 12>{1, 0, 0, 1, 0, -1, 0, 2, 0, 0, -1, 3});
}

TEST_CASE("A camera that is encoded and decoded again is the same, for each model") {
  v1::Camera fisheye = Pinhole();
  fisheye.mutable_fisheye()->set_fx(20);
  fisheye.mutable_fisheye()->set_fy(21);
  fisheye.mutable_fisheye()->set_k4(0.01);
  fisheye.set_t_far(9);
  v1::Camera orthographic = Pinhole();
  orthographic.mutable_orthographic()->set_ortho_scale(2.5);
  v1::Camera distorted = Pinhole();
  distorted.mutable_pinhole()->set_k2(0.1);
  distorted.mutable_pinhole()->set_p1(0.01);
  for (const v1::Camera& message : {fisheye, orthographic, distorted}) {
    const auto camera = DecodeCamera(message, kEdge);
    REQUIRE(camera.ok());
    v1::Camera encoded;
    EncodeCamera(*camera, &encoded);
    const auto again = DecodeCamera(encoded, kEdge);
    REQUIRE(again.ok());
    CHECK(again->model == camera->model);
    CHECK(again->camera_to_world() == camera->camera_to_world());
    CHECK(again->t_far == camera->t_far);
  }
}

TEST_CASE("Image sizes of zero, below it and beyond the limit are refused by name") {
  for (const int size : {0, -1, kEdge + 1, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    v1::Camera camera = Pinhole();
    camera.set_width(size);
    CHECK(Refusal(camera).find("camera.width = " + std::to_string(size) + ": must be 1 to 8192") == 0);
    camera = Pinhole();
    camera.set_height(size);
    CHECK(Refusal(camera).find("camera.height = ") == 0);
  }
}

TEST_CASE("Intrinsics that make no image are refused by name") {
  v1::Camera camera = Pinhole();
  camera.mutable_pinhole()->set_fx(0);
  CHECK(Refusal(camera) == "camera.pinhole.fx = 0: must be > 0");
  camera = Pinhole();
  camera.mutable_pinhole()->set_fy(-2);
  CHECK(Refusal(camera).find("camera.pinhole.fy = -2") == 0);
  camera = Pinhole();
  camera.mutable_pinhole()->set_k1(std::numeric_limits<double>::quiet_NaN());
  CHECK(Refusal(camera).find("camera.pinhole.k1 = nan") == 0);
  camera = Pinhole();
  camera.mutable_orthographic()->set_ortho_scale(0);
  CHECK(Refusal(camera).find("camera.orthographic.ortho_scale = 0") == 0);
  camera = Pinhole();
  camera.clear_model();
  CHECK(Refusal(camera).find("camera.model = absent") == 0);
}

TEST_CASE("A singular, incomplete or missing pose is refused by name") {
  v1::Camera camera = Pinhole();
  for (int i = 0; i < 12; ++i) camera.mutable_camera_to_world()->set_m(i, 0);
  CHECK(Refusal(camera).find("camera.camera_to_world.m = ") == 0);
  camera = Pinhole();
  camera.mutable_camera_to_world()->set_m(0, 0);  // two axes in one plane
  CHECK(Refusal(camera).find("camera.camera_to_world.m = ") == 0);
  camera = Pinhole();
  camera.mutable_camera_to_world()->mutable_m()->RemoveLast();
  CHECK(Refusal(camera).find("camera.camera_to_world.m = 11 numbers") == 0);
  camera = Pinhole();
  camera.mutable_camera_to_world()->set_m(3, std::numeric_limits<double>::infinity());
  CHECK(Refusal(camera).find("camera.camera_to_world.m[3] = inf") == 0);
  camera = Pinhole();
  camera.clear_camera_to_world();
  CHECK(Refusal(camera).find("camera.camera_to_world = absent") == 0);
}

TEST_CASE("A clip interval that is empty or runs backwards is refused by name") {
  v1::Camera camera = Pinhole();
  camera.set_t_near(-1);
  CHECK(Refusal(camera).find("camera.t_near = -1") == 0);
  camera = Pinhole();
  camera.set_t_near(2);
  camera.set_t_far(2);
  CHECK(Refusal(camera).find("camera.t_far = 2") == 0);
}

TEST_CASE("Motion is not implemented yet and says so") {
  v1::Camera camera = Pinhole();
  *camera.add_keyframes()->mutable_camera_to_world() = camera.camera_to_world();
  *camera.add_keyframes()->mutable_camera_to_world() = camera.camera_to_world();
  CHECK(Refusal(camera).find("camera.keyframes") == 0);
  camera.clear_camera_to_world();
  CHECK(absl::IsUnimplemented(DecodeCamera(camera, kEdge).status()));
}

TEST_CASE("The default camera is 1024 pixels square and sees the box") {
  const Camera camera = DefaultCamera(Box{{-1, -1, -1}, {1, 1, 1}});
  CHECK(camera.width == 1024);
  CHECK(camera.height == 1024);
  CHECK(ValidateCamera(camera).ok());
}

}  // namespace
}  // namespace dvren::server
