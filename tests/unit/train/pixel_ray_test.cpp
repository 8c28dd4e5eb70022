#include "dvren/scene/pixel_ray.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "dvren/scene/camera.h"
#include "support/hp_fixture.h"

namespace dvren::test {
namespace {

using Model = io::PhotoCamera::Model;

io::PhotoCamera CameraOf(Model model, std::array<double, 5> distortion, double focal = 60) {
  io::PhotoCamera camera;
  camera.model = model;
  camera.width = 72;
  camera.height = 54;
  camera.fx = focal;
  camera.fy = 1.1 * focal;
  camera.cx = 35.25;
  camera.cy = 28.5;
  camera.distortion = distortion;
  const hp_affine pose = LookAt({1.5, -2, 0.75}, {0.1, 0.2, 0.3}, {0.2, 0.9, 0.1});
  std::copy_n(pose.m, 12, camera.camera_to_world.m.begin());
  return camera;
}

// Compares with the kernels' rays through every pixel; returns how many the lens does not map.
int CheckRays(const io::PhotoCamera& camera) {
  static const HpContext context;
  hp_camera kernel = PinholeCamera(camera.width, camera.height, 1);
  kernel.model = camera.model == Model::kFisheye ? HP_CAMERA_FISHEYE : HP_CAMERA_PINHOLE;
  kernel.fx = camera.fx;
  kernel.fy = camera.fy;
  kernel.cx = camera.cx;
  kernel.cy = camera.cy;
  std::copy_n(camera.distortion.begin(), 5, kernel.distortion);
  std::copy_n(camera.camera_to_world.m.begin(), 12, kernel.camera_to_world.m);
  hp_plan_desc desc = PlanDesc(&kernel, 1);
  desc.precision = HP_PRECISION_F64;
  HpCounters counters{};
  const HpRays<double> rays =
      CameraRays<double>(context, MakePlan(context, desc), {0, 0, camera.width, camera.height}, &counters);
  double worst = 0;
  int unmapped = 0, disagree = 0;
  for (int y = 0; y < camera.height; ++y) {
    for (int x = 0; x < camera.width; ++x) {
      const auto i = static_cast<std::size_t>(y * camera.width + x);
      const PixelRay ray = RayThrough(camera, x + 0.5, y + 0.5);
      const bool mapped = rays.t_far[i] > rays.t_near[i];  // the kernels' ray is empty otherwise
      unmapped += mapped ? 0 : 1;
      disagree += mapped != ray.mapped;
      if (!mapped || !ray.mapped) continue;
      for (std::size_t c = 0; c < 3; ++c) {
        worst = std::max(worst, std::abs(ray.direction[c] - rays.directions[3 * i + c]));
        worst = std::max(worst, std::abs(ray.origin[c] - rays.origins[3 * i + c]));
      }
    }
  }
  CHECK(worst < 1e-9);
  CHECK(disagree == 0);
  CHECK(unmapped == counters[HP_COUNTER_INVALID]);
  return unmapped;
}

}  // namespace

TEST_CASE("Rays through pixels are those of the kernels") {
  CHECK(CheckRays(CameraOf(Model::kPinhole, {})) == 0);
  CHECK(CheckRays(CameraOf(Model::kPinhole, {-0.21, 0.06, 1.2e-3, -8e-4, -0.004})) == 0);
  CHECK(CheckRays(CameraOf(Model::kPinhole, {0.15, -0.02, -2e-3, 1e-3, 0.01})) == 0);
  CHECK(CheckRays(CameraOf(Model::kFisheye, {})) == 0);
  CHECK(CheckRays(CameraOf(Model::kFisheye, {0.03, -0.01, 0.004, -0.001}, 25)) == 0);
}

TEST_CASE("Pixels that the lens does not map are those of the kernels") {
  // A barrel folds where 1 + 3 k1 r^2 = 0: r = 1.05, an image radius of 0.70.
  const int barrel = CheckRays(CameraOf(Model::kPinhole, {-0.3, 0, 0, 0, 0}, 40));
  CHECK(barrel > 100);
  CHECK(barrel < 72 * 54 / 2);
  CHECK(CheckRays(CameraOf(Model::kPinhole, {-0.35, 0.05, 1e-3, 1e-3, 0}, 40)) > 0);
  // Without distortion a fisheye ends at pi from its axis.
  const int fisheye = CheckRays(CameraOf(Model::kFisheye, {}, 10));
  CHECK(fisheye > 100);
  CHECK(CheckRays(CameraOf(Model::kFisheye, {-0.08, 0, 0, 0}, 25)) > 0);
}

TEST_CASE("The engine's camera of a photograph has its numbers") {
  const io::PhotoCamera pinhole = CameraOf(Model::kPinhole, {0.1, 0.2, 0.3, 0.4, 0.5});
  const Camera camera = CameraFor(pinhole);
  CHECK(camera.width == 72);
  CHECK(camera.height == 54);
  CHECK(camera.camera_to_world() == pinhole.camera_to_world);
  const auto& lens = std::get<PinholeModel>(camera.model);
  CHECK(lens.fx == pinhole.fx);
  CHECK(lens.fy == pinhole.fy);
  CHECK(lens.cx == pinhole.cx);
  CHECK(lens.cy == pinhole.cy);
  CHECK(lens.k1 == 0.1);  // OpenCV's order: k1, k2, p1, p2, k3
  CHECK(lens.k2 == 0.2);
  CHECK(lens.p1 == 0.3);
  CHECK(lens.p2 == 0.4);
  CHECK(lens.k3 == 0.5);
  const Camera wide = CameraFor(CameraOf(Model::kFisheye, {0.1, 0.2, 0.3, 0.4, 0}));
  CHECK(std::get<FisheyeModel>(wide.model).k4 == 0.4);
  CHECK(std::get<FisheyeModel>(wide.model).k1 == 0.1);
}

}  // namespace dvren::test
