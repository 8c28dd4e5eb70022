// Numbers at the edge of what a precision holds: taken and right, or refused by name, never NaN in a picture.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>

#include "support/hp_fixture.h"

namespace dvren::test {
namespace {

const HpContext& Context() {
  static const HpContext context(HP_ISA_AUTO, 1);
  return context;
}

struct Scene {
  hp_camera camera = PinholeCamera(3, 3, 2, LookAt({0.5, 0.5, -1}, {0.5, 0.5, 0.5}));
  hp_plan_desc plan = PlanDesc(&camera, 0.1);
  HpField field;
  hp_instance instance;
  explicit Scene(float density) : field(MakeField(Context(), UniformGrid(density))), instance(InstanceOf(field)) {
    plan.max_steps = 1000;
  }
  Scene(const Scene&) = delete;

  // "" when the picture is made of numbers between 0 and 1, "refused" when it was, else what came out.
  template <class Real>
  std::string Outcome() {
    plan.precision = PrecisionOf<Real>();
    try {
      const auto image = RenderFused<Real>(Context(), MakePlan(Context(), plan), instance, {0, 0, 3, 3});
      for (std::size_t i = 0; i < image.size(); ++i) {
        if (!(image.opacity[i] >= 0 && image.opacity[i] <= 1)) return "opacity " + std::to_string(image.opacity[i]);
        for (std::size_t c = 0; c < 3; ++c) {
          if (!std::isfinite(image.rgb[3 * i + c])) return "rgb " + std::to_string(image.rgb[3 * i + c]);
        }
      }
      return "";
    } catch (const HpError& error) {
      return error.status == HP_STATUS_INVALID_ARGUMENT ? "refused" : error.what();
    }
  }
};

}  // namespace

TEST_CASE("VeryDenseMediaAreOpaqueNotNan", "[limits]") {
  for (float density : {1e10f, 1e30f, 3.4e38f}) {
    for (double scale : {1.0, 1e8, 1e38}) {
      Scene scene(density);
      scene.instance.sigma_scale = scale;
      INFO(density << " x " << scale);
      CHECK(scene.Outcome<float>() == "");
      CHECK(scene.Outcome<double>() == "");
    }
  }
}

TEST_CASE("WhatDoubleHoldsIsTakenInDouble", "[limits]") {
  Scene scene(0);
  scene.instance.sigma_scale = 1e39;
  scene.instance.color[0] = 1e39;
  CHECK(scene.Outcome<double>() == "");
  scene.plan.background[1] = 1e39;
  CHECK(scene.Outcome<double>() == "");
}

TEST_CASE("WhatF32CannotHoldIsRefusedInF32", "[limits]") {
  const struct {
    const char* what;
    std::function<void(Scene&)> spoil;
  } cases[] = {
      {"sigma_scale 1e39", [](Scene& s) { s.instance.sigma_scale = 1e39; }},
      {"color 1e39", [](Scene& s) { s.instance.color[1] = 1e39; }},
      {"background 1e39", [](Scene& s) { s.plan.background[2] = 1e39; }},
      {"knots that f32 cannot tell apart",
       [](Scene& s) {
         static const double knots[2] = {0, 1e-39}, rgb[6] = {1, 1, 1, 0, 0, 0};
         s.instance.knot_count = 2;
         s.instance.knot_density = knots;
         s.instance.knot_rgb = rgb;
       }},
      {"a knot at 1e39",
       [](Scene& s) {
         static const double knots[2] = {0, 1e39}, rgb[6] = {1, 1, 1, 1e39, 0, 0};
         s.instance.knot_count = 2;
         s.instance.knot_density = knots;
         s.instance.knot_rgb = rgb;
       }},
      {"placement times 1e-40",
       [](Scene& s) {
         for (int i = 0; i < 3; ++i) s.instance.object_to_world.m[5 * i] = 1e-40;
       }},
      {"placement 1e39 away", [](Scene& s) { s.instance.object_to_world.m[3] = 1e39; }},
      {"focal length 1e-46", [](Scene& s) { s.camera.fx = 1e-46; }},
      {"centre at 1e39", [](Scene& s) { s.camera.cx = 1e39; }},
      {"t_near 1e39", [](Scene& s) { s.camera.t_near = 1e39; }},
      {"pose times 1e20",
       [](Scene& s) {
         for (int i = 0; i < 12; ++i) s.camera.camera_to_world.m[i] *= i % 4 < 3 ? 1e20 : 1;
       }},
      {"pose times 1e-25",
       [](Scene& s) {
         for (int i = 0; i < 12; ++i) s.camera.camera_to_world.m[i] *= i % 4 < 3 ? 1e-25 : 1;
       }},
  };
  for (const auto& one : cases) {
    Scene scene(0);
    one.spoil(scene);
    INFO(one.what);
    CHECK(scene.Outcome<float>() == "refused");
  }
}

TEST_CASE("GivenRaysThroughAClampedFieldDoNotAskForTheCamerasFar", "[limits]") {
  DenseGrid grid = UniformGrid(1);
  grid.border = HP_BORDER_CLAMP;
  const HpField field = MakeField(Context(), grid);
  const hp_camera camera = PinholeCamera(2, 1, 1);  // t_far is infinite
  CHECK_NOTHROW(
      RenderRay<float>(Context(), PlanDesc(&camera, 0.1), InstanceOf(field), {0.5, 0.5, -1}, {0, 0, 1}, 0, 2));
}

TEST_CASE("NumbersThatAreNoRayCostAtMostMaxStepsAndTouchNoOtherRay", "[limits]") {
  hp_plan_desc desc = PlanDesc(nullptr, 0.1);
  desc.max_steps = 500;
  const double nan = std::nan(""), inf = INFINITY;
  HpRays<float> rays;
  const Vec3 o{0.5, 0.5, -1}, d{0, 0, 1};
  rays.Add(o, d);
  for (double bad : {nan, inf, -inf}) {
    rays.Add({bad, 0.5, -1}, d);
    rays.Add(o, {bad, 0, 1});
    rays.Add(o, d, bad);
    rays.Add(o, d, 0, bad);
  }
  rays.Add({0.5, 0.5, 0.5}, {0, 0, 0});
  rays.Add(o, d);
  for (hp_isa isa : AvailableIsas()) {
    const HpContext context(isa, 1);
    const HpField field = MakeField(context, UniformGrid(1));
    const auto image = RenderRays<float>(context, MakePlan(context, desc), InstanceOf(field), rays);
    const double exact = 1 - std::exp(-1.0);
    CHECK(image.opacity.front() == Approx(exact).epsilon(1e-6));
    CHECK(image.opacity.back() == Approx(exact).epsilon(1e-6));
    CHECK(image.counters[HP_COUNTER_SAMPLES] <= desc.max_steps * rays.size());
  }
}

}  // namespace dvren::test
