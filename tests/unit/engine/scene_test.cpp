// Which scenes are refused, their bounds and their default step.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/render_fixture.h"

namespace dvren::test {
namespace {

using Catch::Matchers::Contains;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Scene Grey() {
  Stream stream = Get(Cpu()->CreateStream());
  return SceneOf(stream, Dense({4, 2, 8, 1}, Box{{0, 0, 0}, {8, 8, 8}}, [](double, double, double, int) { return 1; }));
}

template <class Change>
std::string Refusal(Change change, absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
  Scene scene = Grey();
  change(scene);
  const absl::Status status = ValidateScene(scene);
  CHECK(status.code() == code);
  return std::string(status.message());
}

TEST_CASE("A scene has exactly one instance for now") {
  CHECK(ValidateScene(Grey()).ok());
  CHECK(Refusal([](Scene& s) { s.instances.clear(); }) == "scene.instances = none: must be one");
  CHECK_THAT(Refusal([](Scene& s) { s.instances.push_back(s.instances[0]); }, absl::StatusCode::kUnimplemented),
             Contains("scene.instances = 2"));
  CHECK_THAT(Refusal([](Scene& s) { s.instances[0].field = nullptr; }), Contains("scene.instances[0].field"));
}

TEST_CASE("Instance refusals name field, value and remedy") {
  CHECK(Refusal([](Scene& s) { s.instances[0].sigma_scale = -1; }) ==
        "scene.instances[0].sigma_scale = -1: must be finite and >= 0");
  CHECK_THAT(Refusal([](Scene& s) { s.instances[0].sigma_scale = kNan; }), Contains("sigma_scale = nan"));
  CHECK(Refusal([](Scene& s) { s.instances[0].object_to_world.m[3] = kNan; }) ==
        "scene.instances[0].object_to_world[3] = nan: must be finite");
  CHECK_THAT(Refusal([](Scene& s) { s.instances[0].object_to_world.m[0] = 0; }), Contains("must be invertible"));
  CHECK(Refusal([](Scene& s) {
          s.instances[0].color = std::array<double, 3>{1, kNan, 1};
        }) == "scene.instances[0].color[1] = nan: must be finite");
}

TEST_CASE("Transfer functions have 1 to 256 ascending knots with a colour each") {
  const auto with = [](TransferFunction transfer) { return [=](Scene& s) { s.instances[0].color = transfer; }; };
  CHECK_THAT(Refusal(with({})), Contains("density = 0 knots: must be 1 to 256"));
  TransferFunction transfer;
  for (int i = 0; i < 257; ++i) transfer.density.push_back(i);
  transfer.rgb.resize(257);
  CHECK_THAT(Refusal(with(transfer)), Contains("257 knots"));
  CHECK_THAT(Refusal(with({{0, 1}, {{1, 1, 1}}})), Contains("rgb = 1 colours: must be one per density, 2"));
  CHECK_THAT(Refusal(with({{0, 1, 1}, {{}, {}, {}}})), Contains("density[2] = 1: must be above the one before, 1"));
  CHECK_THAT(Refusal(with({{0, kNan}, {{}, {}}})), Contains("density[1] = nan"));
  CHECK_THAT(Refusal(with({{0, 1}, {{}, {0, 0, kNan}}})), Contains("rgb[1][2] = nan"));
  Scene scene = Grey();
  scene.instances[0].color = TransferFunction{{0.5}, {{1, 0, 0}}};
  CHECK(ValidateScene(scene).ok());
}

TEST_CASE("A colour for a field that has its own is refused, not dropped") {
  Stream stream = Get(Cpu()->CreateStream());
  Scene scene = SceneOf(stream, Blobs(4));
  CHECK(ValidateScene(scene).ok());
  scene.instances[0].color = std::array<double, 3>{1, 0, 0};
  CHECK_THAT(std::string(ValidateScene(scene).message()),
             Contains("color = (1, 0, 0)") && Contains("colours of its own"));
  scene.instances[0].color = TransferFunction{{0.5}, {{1, 0, 0}}};
  CHECK_THAT(std::string(ValidateScene(scene).message()), Contains("transfer"));
}

TEST_CASE("The scene's box is the field's, placed in the world") {
  Scene scene = Grey();
  CHECK(SceneWorldBox(scene) == Box{{0, 0, 0}, {8, 8, 8}});
  scene.instances[0].object_to_world.m = {0, 0, 1, 5, 0, 2, 0, 0, -1, 0, 0, 0};
  CHECK(SceneWorldBox(scene) == Box{{5, 0, -8}, {13, 16, 0}});
}

TEST_CASE("The default step is half the shortest voxel edge, scaled as the instance is") {
  Scene scene = Grey();  // voxels of 1 x 4 x 2
  CHECK(DefaultStep(scene) == 0.5);
  scene.instances[0].object_to_world.m = {3, 0, 0, 0, 0, 3, 0, 0, 0, 0, 3, 0};
  CHECK(DefaultStep(scene) == Approx(1.5));
  const double c = std::cos(0.7), s = std::sin(0.7);
  scene.instances[0].object_to_world.m = {2 * c, -2 * s, 0, 1, 2 * s, 2 * c, 0, 1, 0, 0, 2, 1};
  CHECK(DefaultStep(scene) == Approx(1.0));
  // Turned first, then squeezed to a quarter along x: no length shrinks by more.
  scene.instances[0].object_to_world.m = {0.25 * c, -0.25 * s, 0, 0, s, c, 0, 0, 0, 0, 1, 0};
  CHECK(DefaultStep(scene) == Approx(0.125));
}

}  // namespace
}  // namespace dvren::test
