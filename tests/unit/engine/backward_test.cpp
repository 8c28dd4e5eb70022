// Tapes and backward passes: against finite differences in double precision, bit for bit where order must not matter,
// and what is refused.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "dvren/diff/backward.h"
#include "dvren/diff/gradient_statistics.h"
#include "support/render_fixture.h"

namespace dvren::test {
namespace {

using Catch::Matchers::Contains;

// A smooth coloured blob that fills its box.
double Smooth(double x, double y, double z, int channel) {
  const double r2 = x * x + y * y + z * z;
  return channel < 3 ? 0.5 + 0.4 * std::sin(3 * x + channel) * std::cos(2 * y - channel) * std::cos(z)
                     : 1.5 * std::exp(-r2) * (1.2 + std::sin(2 * x + y));
}
io::DenseVolume SmoothVolume() {
  return Dense({9, 10, 11, 4}, Box{{-1, -1, -1}, {1, 1, 1}}, Smooth);
}

PlanSpec Spec(Precision precision = Precision::kF64) {
  PlanSpec spec;
  spec.camera = OrbitCamera(Box{{-1, -1, -1}, {1, 1, 1}}, 25, 15, 0, 40, 23, 17);
  spec.sampling.dt = 0.11;
  spec.sampling.early_stop = 0;
  spec.background = {0.1, 0.2, 0.3};
  spec.aovs = kEveryAov;
  spec.precision = precision;
  return spec;
}

// A loss that weighs every image: L = sum w . image.
double Weight(std::size_t i, int image) {
  return std::sin(0.37 * static_cast<double>(i) + image) + 0.2 * image;
}
double Loss(Stream& stream, const Frame& frame) {
  double loss = 0;
  int image = 0;
  for (const Tensor* t : {&frame.rgb, &frame.opacity, &frame.transmittance, &frame.depth, &frame.distortion}) {
    const std::vector<double> values = Values(stream, *t);
    for (std::size_t i = 0; i < values.size(); ++i) loss += Weight(i, image) * values[i];
    ++image;
  }
  return loss;
}

struct Adjoint {
  std::vector<double> f64[5];
  std::vector<float> f32[5];
  Precision precision;
  Adjoint(std::int64_t pixels, Precision p) : precision(p) {
    for (int image = 0; image < 5; ++image) {
      const std::int64_t n = image == 0 ? 3 * pixels : pixels;
      for (std::int64_t i = 0; i < n; ++i) {
        f64[image].push_back(Weight(static_cast<std::size_t>(i), image));
        f32[image].push_back(static_cast<float>(f64[image].back()));
      }
    }
  }
  [[nodiscard]] HostImageAdjoint Host() const {
    const auto data = [&](int image) {
      return precision == Precision::kF64 ? static_cast<const void*>(f64[image].data()) : f32[image].data();
    };
    return {data(0), data(1), data(2), data(3), data(4)};
  }
};

struct Result {
  Gradients gradients;
  std::vector<double> values;
};
Result Run(Stream& stream, const Scene& scene, const PlanSpec& spec) {
  const auto plan = Get(Planner::Make(stream.device(), spec));
  Frame frame;
  auto tape = std::make_shared<Tape>(Get(Renderer().Forward(stream, plan, scene, frame)));
  const Adjoint adjoint(tape->height() * tape->width(), spec.precision);
  BackwardRequest request;
  request.values = Get(GradientTensor::Make(stream, scene.instances[0].field));
  request.camera = request.scene = request.step = true;
  Result result;
  result.gradients = Get(Backward(stream, tape, Get(UploadAdjoint(stream, *tape, adjoint.Host())), request));
  result.values.resize(static_cast<std::size_t>(request.values->size()));
  Check(request.values->Read(stream, DType::kF64, result.values.data()));
  return result;
}

double LossOf(Stream& stream, const Scene& scene, const PlanSpec& spec) {
  return Loss(stream, Get(Renderer().Render(stream, *Get(Planner::Make(stream.device(), spec)), scene)));
}

TEST_CASE("GradientsOfEverythingAgreeWithFiniteDifferences") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, SmoothVolume());
  const PlanSpec spec = Spec();
  const Result result = Run(stream, scene, spec);
  const auto agrees = [&](const char* what, double gradient, double h, const std::function<double(double)>& loss) {
    const double difference = (loss(h) - loss(-h)) / (2 * h);
    INFO(what << ": " << gradient << " against " << difference);
    CHECK(gradient != 0);
    CHECK(gradient == Approx(difference).epsilon(2e-5).margin(1e-6));
  };
  for (std::size_t i : {std::size_t{4 * (5 + 11 * (4 + 10 * 4))}, std::size_t{4 * (6 + 11 * (5 + 10 * 3)) + 3},
                        std::size_t{4 * (2 + 11 * (3 + 10 * 5)) + 2}, std::size_t{4 * (7 + 11 * (2 + 10 * 6)) + 3}}) {
    agrees("value", result.values[i], 1.0 / 64, [&](double h) {
      io::DenseVolume moved = SmoothVolume();  // a copy would share its values
      float value;
      std::memcpy(&value, moved.values.data() + 4 * i, 4);
      value += static_cast<float>(h);  // f32 holds the sum to 1e-8
      std::memcpy(moved.values.data() + 4 * i, &value, 4);
      return LossOf(stream, SceneOf(stream, moved), spec);
    });
  }
  const CameraGradient& camera = result.gradients.camera;
  for (std::size_t i = 0; i < 12; ++i) {
    agrees("pose", camera.camera_to_world[i], 1e-6, [&](double h) {
      PlanSpec moved = spec;
      moved.camera->keyframes[0].camera_to_world.m[i] += h;
      return LossOf(stream, scene, moved);
    });
  }
  agrees("fx", camera.fx, 1e-5, [&](double h) {
    PlanSpec moved = spec;
    std::get<PinholeModel>(moved.camera->model).fx += h;
    return LossOf(stream, scene, moved);
  });
  agrees("k1", camera.distortion[0], 1e-6, [&](double h) {
    PlanSpec moved = spec;
    std::get<PinholeModel>(moved.camera->model).k1 += h;
    return LossOf(stream, scene, moved);
  });
  agrees("dt", result.gradients.dt, 1e-8, [&](double h) {
    PlanSpec moved = spec;
    moved.sampling.dt += h;
    return LossOf(stream, scene, moved);
  });
  agrees("sigma scale", result.gradients.scene.sigma_scale, 1e-5, [&](double h) {
    Scene moved = scene;
    moved.instances[0].sigma_scale += h;
    return LossOf(stream, moved, spec);
  });
  agrees("background", result.gradients.scene.background[1], 1e-4, [&](double h) {
    PlanSpec moved = spec;
    moved.background[1] += h;
    return LossOf(stream, scene, moved);
  });
}

TEST_CASE("TheTangentOfThePoseTurnsAndMovesTheCamera") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, SmoothVolume());
  const PlanSpec spec = Spec();
  const CameraGradient camera = Run(stream, scene, spec).gradients.camera;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto turned = [&](double angle) {
      PlanSpec moved = spec;
      Affine& pose = moved.camera->keyframes[0].camera_to_world;
      const std::size_t b = (axis + 1) % 3, c = (axis + 2) % 3;
      const Affine old = pose;
      for (std::size_t j = 0; j < 3; ++j) {  // the origin stays
        pose.m[4 * b + j] = std::cos(angle) * old.m[4 * b + j] - std::sin(angle) * old.m[4 * c + j];
        pose.m[4 * c + j] = std::sin(angle) * old.m[4 * b + j] + std::cos(angle) * old.m[4 * c + j];
      }
      return LossOf(stream, scene, moved);
    };
    CHECK(camera.omega[axis] == Approx((turned(1e-6) - turned(-1e-6)) / 2e-6).epsilon(1e-5));
    CHECK(camera.v[axis] == camera.camera_to_world[4 * axis + 3]);
  }
}

TEST_CASE("SlicesInAnyOrderAndTilesOfAnySizeGiveTheSameBits") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, SmoothVolume());
  const PlanSpec spec = Spec(Precision::kF32);
  const Result whole = Run(stream, scene, spec);
  for (int tile : {1, 7, 16}) {
    PlanSpec tiled = spec;
    tiled.tile = tile;
    const auto plan = Get(Planner::Make(stream.device(), tiled));
    Frame frame;
    auto tape = std::make_shared<Tape>(Get(Renderer().Forward(stream, plan, scene, frame)));
    const Adjoint adjoint(tape->height() * tape->width(), Precision::kF32);
    BackwardRequest request;
    request.values = Get(GradientTensor::Make(stream, scene.instances[0].field));
    request.camera = request.scene = request.step = true;
    BackwardPass pass =
        Get(BackwardPass::Make(stream, tape, Get(UploadAdjoint(stream, *tape, adjoint.Host())), request));
    for (std::size_t i = pass.slices(); i-- > 0;) Check(pass.RunSlice(stream, i));
    const Gradients gradients = Get(pass.Finish(stream));
    std::vector<double> values(whole.values.size());
    Check(request.values->Read(stream, DType::kF64, values.data()));
    INFO("tile " << tile);
    CHECK(values == whole.values);
    CHECK(gradients.camera.camera_to_world == whole.gradients.camera.camera_to_world);
    CHECK(gradients.dt == whole.gradients.dt);
    CHECK(gradients.scene.sigma_scale == whole.gradients.scene.sigma_scale);
  }
}

TEST_CASE("AForwardShowsWhatARenderShows") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, SmoothVolume());
  const auto plan = Get(Planner::Make(stream.device(), Spec(Precision::kF32)));
  Frame frame;
  const Tape tape = Get(Renderer().Forward(stream, plan, scene, frame));
  CHECK(Bits(stream, frame) == Bits(stream, Get(Renderer().Render(stream, *plan, scene))));
  CHECK(tape.bytes() == 23 * 17 * 6 * 4);
  PlanSpec plain = Spec(Precision::kF32);
  plain.aovs = kAovRgb;
  CHECK(Tape::BytesFor(plain, 23 * 17) == 23 * 17 * 5 * 4);
  CHECK_FALSE(tape.stale());
}

TEST_CASE("WhatABackwardPassCannotUseIsRefusedByName") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, SmoothVolume());
  const auto plan = Get(Planner::Make(stream.device(), Spec(Precision::kF32)));
  Frame frame;
  auto tape = std::make_shared<Tape>(Get(Renderer().Forward(stream, plan, scene, frame)));
  Adjoint adjoint(tape->height() * tape->width(), Precision::kF32);
  const auto refusal = [&](const HostImageAdjoint& host, const BackwardRequest& request) {
    auto gradients = Backward(stream, tape, Get(UploadAdjoint(stream, *tape, host)), request);
    REQUIRE_FALSE(gradients.ok());
    return std::string(gradients.status().message());
  };
  CHECK_THAT(refusal({}, {}), Contains("adjoint = empty"));
  CHECK_THAT(refusal(adjoint.Host(), {.rays = true}), Contains("request.rays"));
  adjoint.f32[0][3 * (2 * 23 + 5) + 1] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THAT(refusal(adjoint.Host(), {.camera = true}), Contains("adjoint.rgb[2][5] = nan") && Contains("1 of 1173"));
  adjoint.f32[3][0] = std::numeric_limits<float>::infinity();
  CHECK_THAT(refusal({.depth = adjoint.f32[3].data()}, {}), Contains("adjoint.depth[0][0] = inf"));
  PlanSpec plain = Spec(Precision::kF32);
  plain.aovs = kAovRgb;
  const auto without =
      std::make_shared<Tape>(Get(Renderer().Forward(stream, Get(Planner::Make(stream.device(), plain)), scene, frame)));
  const auto of_none = Backward(
      stream, without, Get(UploadAdjoint(stream, *without, {.distortion = adjoint.f32[4].data()})), BackwardRequest{});
  CHECK_THAT(std::string(of_none.status().message()), Contains("adjoint.distortion") && Contains("kAovDistortion"));
  const Scene other = SceneOf(stream, Constant(1, Box{{0, 0, 0}, {1, 1, 1}}));
  BackwardRequest foreign;
  foreign.values = Get(GradientTensor::Make(stream, other.instances[0].field));
  CHECK_THAT(refusal({.opacity = adjoint.f32[1].data()}, foreign), Contains("request.values"));
  CHECK_THAT(std::string(foreign.values->Zero(stream, 100).message()), Contains("exponent = 100"));
}

TEST_CASE("AnExponentTooSmallIsAnErrorThatSaysSo") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, SmoothVolume());
  const auto plan = Get(Planner::Make(stream.device(), Spec(Precision::kF32)));
  Frame frame;
  auto tape = std::make_shared<Tape>(Get(Renderer().Forward(stream, plan, scene, frame)));
  const Adjoint adjoint(tape->height() * tape->width(), Precision::kF32);
  BackwardRequest request;
  request.values = Get(GradientTensor::Make(stream, scene.instances[0].field));
  Check(request.values->Zero(stream, -80));
  const auto gradients = Backward(stream, tape, Get(UploadAdjoint(stream, *tape, adjoint.Host())), request);
  CHECK(gradients.status().code() == absl::StatusCode::kOutOfRange);
  std::vector<float> values(static_cast<std::size_t>(request.values->size()));
  CHECK(request.values->Read(stream, DType::kF32, values.data()).code() == absl::StatusCode::kOutOfRange);
  Check(request.values->Zero(stream, -30));
  Check(Backward(stream, tape, Get(UploadAdjoint(stream, *tape, adjoint.Host())), request).status());
  Check(request.values->Read(stream, DType::kF32, values.data()));
}

TEST_CASE("StatisticsCountWhatIsThere") {
  const std::vector<float> values{
      0, 1, -2, 0.75f, std::numeric_limits<float>::quiet_NaN(), 0.5f, std::numeric_limits<float>::infinity()};
  const GradientStatistics s = Summarise(std::span<const float>(values));
  CHECK(s.count == 7);
  CHECK(s.zeros == 1);
  CHECK(s.nans == 1);
  CHECK(s.infinities == 1);
  CHECK(s.first_not_finite == 4);
  CHECK(s.l1 == Approx(4.25));
  CHECK(s.l2 == Approx(std::sqrt(1 + 4 + 0.5625 + 0.25)));
  CHECK(s.largest == 2);
  CHECK(s.histogram[40] == 1);  // [1, 2)
  CHECK(s.histogram[41] == 1);  // [2, 4)
  CHECK(s.histogram[39] == 2);  // [0.5, 1)
}

}  // namespace
}  // namespace dvren::test
