// Which cameras are refused, and where the default one stands.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "dvren/scene/camera.h"

namespace dvren::test {
namespace {

using Catch::Matchers::Contains;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Camera Good() {
  Camera camera;
  camera.width = 64;
  camera.height = 48;
  camera.model = PinholeModel{.fx = 50, .fy = 51, .cx = 32, .cy = 24};
  return camera;
}

template <class Change>
std::string Refusal(Change change, absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
  Camera camera = Good();
  change(camera);
  const absl::Status status = ValidateCamera(camera);
  CHECK(status.code() == code);
  return std::string(status.message());
}

TEST_CASE("Good cameras of every model pass") {
  Camera camera = Good();
  CHECK(ValidateCamera(camera).ok());
  camera.model = FisheyeModel{.fx = 20, .fy = 20, .cx = 32, .cy = 24, .k1 = -0.1};
  CHECK(ValidateCamera(camera).ok());
  camera.model = OrthographicModel{2};
  CHECK(ValidateCamera(camera).ok());
  camera.keyframes[0].camera_to_world.m[0] = -1;  // a mirror is odd but spans space
  CHECK(ValidateCamera(camera).ok());
}

TEST_CASE("Camera refusals name field, value and remedy") {
  CHECK(Refusal([](Camera& c) { c.width = 0; }) == "camera.width = 0: must be 1 to 32768 pixels");
  CHECK(Refusal([](Camera& c) { c.height = 32769; }) == "camera.height = 32769: must be 1 to 32768 pixels");
  CHECK(Refusal([](Camera& c) { c.model = PinholeModel{.fx = 0, .fy = 1}; }) ==
        "camera.fx = 0: must be finite and > 0");
  CHECK(Refusal([](Camera& c) { c.model = PinholeModel{.fx = 1, .fy = -1}; }) ==
        "camera.fy = -1: must be finite and > 0");
  CHECK(Refusal([](Camera& c) { std::get<PinholeModel>(c.model).cx = kNan; }) == "camera.cx = nan: must be finite");
  CHECK(Refusal([](Camera& c) { std::get<PinholeModel>(c.model).p2 = kNan; }) ==
        "camera.distortion.p2 = nan: must be finite");
  CHECK(Refusal([](Camera& c) { c.model = FisheyeModel{.fx = 1, .fy = 1, .k4 = kInfinity}; }) ==
        "camera.distortion.k4 = inf: must be finite");
  CHECK(Refusal([](Camera& c) { c.model = OrthographicModel{0}; }) == "camera.ortho_scale = 0: must be finite and > 0");
  CHECK(Refusal([](Camera& c) { c.keyframes[0].camera_to_world.m[7] = kNan; }) ==
        "camera.camera_to_world[7] = nan: must be finite");
  CHECK(Refusal([](Camera& c) { c.t_near = -1; }) == "camera.t_near = -1: must be finite and >= 0");
  CHECK(Refusal([](Camera& c) { c.t_near = kInfinity; }) == "camera.t_near = inf: must be finite and >= 0");
  CHECK(Refusal([](Camera& c) { c.t_far = 0; }) == "camera.t_far = 0: must be above t_near = 0");
  CHECK_THAT(Refusal([](Camera& c) { c.t_far = kNan; }), Contains("camera.t_far = nan"));
}

TEST_CASE("A pose whose axes lie in one plane is refused at any scale") {
  const double scale = GENERATE(1e-9, 1.0, 1e9);
  CHECK_THAT(Refusal([&](Camera& c) {
               Affine& pose = c.keyframes[0].camera_to_world;
               for (int i = 0; i < 3; ++i) {
                 for (int j = 0; j < 3; ++j) pose.m[4 * i + j] = i == j ? scale : 0;
                 pose.m[4 * i + 2] = pose.m[4 * i];
               }
             }),
             Contains("camera.camera_to_world"));
  CHECK_THAT(Refusal([](Camera& c) { c.keyframes[0].camera_to_world.m.fill(0); }), Contains("camera.camera_to_world"));
}

TEST_CASE("Motion and shutters are not implemented and say so") {
  const auto unimplemented = absl::StatusCode::kUnimplemented;
  CHECK_THAT(Refusal([](Camera& c) { c.keyframes.resize(2); }, unimplemented), Contains("camera.keyframes = 2 poses"));
  CHECK_THAT(Refusal([](Camera& c) { c.shutter.kind = ShutterKind::kRolling; }, unimplemented),
             Contains("camera.shutter.kind = rolling") && Contains("use instant"));
  CHECK_THAT(Refusal([](Camera& c) { c.keyframes.clear(); }), Contains("camera.keyframes"));
}

Vec3 Column(const Camera& camera, int j) {
  const auto& m = camera.camera_to_world().m;
  return {m[j], m[4 + j], m[8 + j]};
}
double Dot(const Vec3& a, const Vec3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

TEST_CASE("The orbit camera stands where azimuth and elevation say and looks at the centre") {
  const Box box{{-1, 2, 3}, {3, 4, 9}};
  const Vec3 centre{1, 3, 6};
  const double azimuth = GENERATE(0.0, 30.0, 135.0, -90.0), elevation = GENERATE(0.0, 20.0, -45.0, 90.0, -90.0);
  const Camera camera = OrbitCamera(box, azimuth, elevation, 7, 40, 320, 200);
  REQUIRE(ValidateCamera(camera).ok());
  const double a = azimuth * std::numbers::pi / 180, e = elevation * std::numbers::pi / 180;
  const Vec3 away{std::cos(e) * std::sin(a), std::sin(e), std::cos(e) * std::cos(a)};
  const Vec3 position = Column(camera, 3), right = Column(camera, 0), down = Column(camera, 1),
             forward = Column(camera, 2);
  for (int i = 0; i < 3; ++i) {
    CHECK(position[i] == Approx(centre[i] + 7 * away[i]).margin(1e-12));
    CHECK(forward[i] == Approx(-away[i]).margin(1e-12));
  }
  // A rotation: orthonormal and right-handed, level, with world up in the upper half of the image.
  CHECK(NormalizedDeterminant(camera.camera_to_world()) == Approx(1));
  CHECK(Dot(right, right) == Approx(1));
  CHECK(Dot(right, down) == Approx(0).margin(1e-12));
  CHECK(Dot(right, forward) == Approx(0).margin(1e-12));
  CHECK(right[1] == 0);
  CHECK(down[1] <= 1e-12);
}

TEST_CASE("The orbit camera has the asked vertical field of view and square pixels") {
  const Camera camera = OrbitCamera(Box{}, 0, 0, 3, 40, 320, 200);
  const auto& lens = std::get<PinholeModel>(camera.model);
  CHECK(2 * std::atan(0.5 * 200 / lens.fy) == Approx(40 * std::numbers::pi / 180));
  CHECK(lens.fx == lens.fy);
  CHECK(lens.cx == 160);
  CHECK(lens.cy == 100);
}

TEST_CASE("Without a distance the whole box fits the image, and its sphere touches the edge") {
  const int width = GENERATE(100, 300, 900);
  const Box box{{-2, -1, 0}, {2, 5, 1}};
  const Camera camera = OrbitCamera(box, 33, 21, 0, 40, width, 300);
  const auto& lens = std::get<PinholeModel>(camera.model);
  const Vec3 position = Column(camera, 3);
  for (int corner = 0; corner < 8; ++corner) {
    Vec3 offset{};
    for (int i = 0; i < 3; ++i) offset[i] = ((corner >> i & 1) != 0 ? box.max[i] : box.min[i]) - position[i];
    const double depth = Dot(offset, Column(camera, 2));
    REQUIRE(depth > 0);
    const double x = lens.cx + lens.fx * Dot(offset, Column(camera, 0)) / depth;
    const double y = lens.cy + lens.fy * Dot(offset, Column(camera, 1)) / depth;
    CHECK((x > 0 && x < width));
    CHECK((y > 0 && y < 300));
  }
  // The angle under which the bounding sphere is seen is the field of view of the narrower side.
  const double radius = std::hypot(2.0, 3.0, 0.5);
  const Vec3 centre{0, 2, 0.5};
  const double distance = std::hypot(position[0] - centre[0], position[1] - centre[1], position[2] - centre[2]);
  const double narrow = std::atan(std::min(0.5 * width, 150.0) / lens.fy);
  CHECK(std::asin(radius / distance) == Approx(narrow));
}

}  // namespace
}  // namespace dvren::test
