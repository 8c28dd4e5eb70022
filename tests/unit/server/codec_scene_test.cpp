#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "server/codec/scene_codec.h"

namespace dvren::server {
namespace {

v1::Scene OneInstance() {
  v1::Scene scene;
  scene.add_instances()->set_field("smoke");
  return scene;
}

std::string Refusal(const v1::Scene& scene) {
  const auto decoded = DecodeScene(scene);
  return decoded.ok() ? "" : std::string(decoded.status().message());
}

TEST_CASE("An instance without settings is white, unscaled and where the field is") {
  const auto scene = DecodeScene(OneInstance());
  REQUIRE(scene.ok());
  const InstanceSpec& spec = scene->instances.front();
  CHECK(spec.field == "smoke");
  CHECK(spec.field_version == 0);
  CHECK(spec.instance.sigma_scale == 1);
  CHECK(spec.instance.object_to_world == Affine{});
  CHECK(std::get<std::array<double, 3>>(spec.instance.color) == std::array<double, 3>{1, 1, 1});
  CHECK(scene->background == std::array<double, 3>{0, 0, 0});
}

TEST_CASE("A scale of zero is a scale") {
  v1::Scene scene = OneInstance();
  scene.mutable_instances(0)->set_sigma_scale(0);
  CHECK(DecodeScene(scene)->instances.front().instance.sigma_scale == 0);
}

TEST_CASE("No instance, several, or one without a field are refused") {
  CHECK(Refusal(v1::Scene()).find("scene.instances = none") == 0);
  v1::Scene scene = OneInstance();
  scene.add_instances()->set_field("fog");
  CHECK(absl::IsUnimplemented(DecodeScene(scene).status()));
  scene = OneInstance();
  scene.mutable_instances(0)->clear_field();
  CHECK(Refusal(scene).find("scene.instances[0].field = ") == 0);
}

TEST_CASE("Values that no scene can have are refused by name") {
  v1::Scene scene = OneInstance();
  scene.mutable_instances(0)->set_sigma_scale(-1);
  CHECK(Refusal(scene).find("scene.instances[0].sigma_scale = -1") == 0);
  scene = OneInstance();
  scene.mutable_background()->set_y(std::numeric_limits<double>::quiet_NaN());
  CHECK(Refusal(scene).find("scene.background.y = nan") == 0);
  scene = OneInstance();
  for (int i = 0; i < 12; ++i) scene.mutable_instances(0)->mutable_object_to_world()->add_m(0);
  CHECK(Refusal(scene).find("scene.instances[0].object_to_world.m = ") == 0);
  scene = OneInstance();
  scene.mutable_instances(0)->mutable_constant()->mutable_rgb()->set_x(std::numeric_limits<double>::infinity());
  CHECK(Refusal(scene).find("scene.instances[0].constant.rgb.x = inf") == 0);
}

TEST_CASE("A transfer function has ascending knots with a colour each") {
  v1::Scene scene = OneInstance();
  v1::TransferFunction* transfer = scene.mutable_instances(0)->mutable_transfer();
  CHECK(Refusal(scene).find("scene.instances[0].transfer.density = 0 knots") == 0);
  transfer->add_density(0);
  transfer->add_density(1);
  transfer->add_rgb()->set_x(1);
  CHECK(Refusal(scene).find("scene.instances[0].transfer.rgb = 1 colours") == 0);
  transfer->add_rgb()->set_y(1);
  const auto decoded = DecodeScene(scene);
  REQUIRE(decoded.ok());
  CHECK(std::get<TransferFunction>(decoded->instances.front().instance.color).rgb[1] == std::array<double, 3>{0, 1, 0});
  transfer->set_density(1, 0);
  CHECK(Refusal(scene).find("scene.instances[0].transfer.density[1] = 0: must be > the knot before") == 0);
  for (int i = 0; i < 300; ++i) transfer->add_density(i);
  CHECK(Refusal(scene).find("scene.instances[0].transfer.density = 302 knots") == 0);
}

}  // namespace
}  // namespace dvren::server
