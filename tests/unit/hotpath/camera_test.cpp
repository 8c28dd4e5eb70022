// Rays of pixels: poses, lens models (a ray's direction, distorted in double precision, is its pixel), orthography.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support/hp_fixture.h"

namespace dvren::test {
namespace {

const HpContext& Context() {
  static const HpContext context(HP_ISA_AUTO, 1);
  return context;
}

template <class Real>
HpRays<Real> RaysOf(const hp_camera& camera, HpCounters* counters = nullptr) {
  hp_plan_desc desc = PlanDesc(&camera, 1);
  desc.precision = PrecisionOf<Real>();
  return CameraRays<Real>(Context(), MakePlan(Context(), desc), {0, 0, camera.width, camera.height}, counters);
}

template <class Real>
double LengthError(const HpRays<Real>& rays) {
  double worst = 0;
  for (std::size_t i = 0; i < rays.t_near.size(); ++i) {
    worst = std::max(worst, std::fabs(std::sqrt(Dot(rays.Direction(i), rays.Direction(i))) - 1));
  }
  return worst;
}

// Image point of a direction in camera axes, by OpenCV's documentation ("Camera Calibration and 3D Reconstruction").
std::array<double, 2> Project(const hp_camera& c, const Vec3& d) {
  const double* k = c.distortion;
  if (c.model == HP_CAMERA_FISHEYE) {
    const double r = std::hypot(d[0], d[1]), theta = std::atan2(r, d[2]), t2 = theta * theta;
    const double theta_d = theta * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))));
    const double s = r > 0 ? theta_d / r : 0;
    return {c.fx * s * d[0] + c.cx, c.fy * s * d[1] + c.cy};
  }
  const double x = d[0] / d[2], y = d[1] / d[2], r2 = x * x + y * y;
  const double k1 = k[0], k2 = k[1], p1 = k[2], p2 = k[3], k3 = k[4];
  const double radial = 1 + k1 * r2 + k2 * r2 * r2 + k3 * r2 * r2 * r2;
  const double xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x);
  const double yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y;
  return {c.fx * xd + c.cx, c.fy * yd + c.cy};
}

// The most that a pixel of the camera is off after going through its ray and back, in pixels; -1 when a ray is missing.
template <class Real>
double RoundTrip(const hp_camera& camera) {
  HpCounters counters{};
  const HpRays<Real> rays = RaysOf<Real>(camera, &counters);
  if (counters[HP_COUNTER_INVALID] != 0) return -1;
  double worst = 0;
  for (int y = 0; y < camera.height; ++y) {
    for (int x = 0; x < camera.width; ++x) {
      const auto i = static_cast<std::size_t>(y * camera.width + x);
      const auto& m = camera.camera_to_world.m;
      const Vec3 d = rays.Direction(i);
      // The pose is a rotation: its transpose takes the ray back to camera axes.
      const Vec3 local{m[0] * d[0] + m[4] * d[1] + m[8] * d[2], m[1] * d[0] + m[5] * d[1] + m[9] * d[2],
                       m[2] * d[0] + m[6] * d[1] + m[10] * d[2]};
      const auto p = Project(camera, local);
      worst = std::max(worst, std::hypot(p[0] - (x + 0.5), p[1] - (y + 0.5)));
    }
  }
  return std::max(worst, LengthError(rays) > (sizeof(Real) == 4 ? 3e-7 : 1e-15) ? 1e9 : 0.0);
}

const hp_affine kPose = LookAt({1, -2, 3}, {-0.5, 0.25, 0.75}, {0.1, -1, 0.2});

}  // namespace

TEST_CASE("CentreOfAPixelIsAtHalf", "[camera]") {
  hp_camera camera = PinholeCamera(2, 2, 3);
  camera.fy = 5;
  camera.cx = 0.5;  // through the centre of the upper left pixel
  camera.cy = 0.5;
  const auto rays = RaysOf<double>(camera);
  CHECK(rays.Direction(0) == Vec3{0, 0, 1});
  const Vec3 right = Normalised({1.0 / 3, 0, 1}), below = Normalised({0, 1.0 / 5, 1});
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(rays.Direction(1)[c] == Approx(right[c]).margin(1e-15));  // x to the right
    CHECK(rays.Direction(2)[c] == Approx(below[c]).margin(1e-15));  // y down: row 0 is the top
    CHECK(rays.Origin(3)[c] == 0);
  }
  for (std::size_t i = 0; i < 4; ++i) CHECK(rays.ids[i] == static_cast<std::int64_t>(i));
}

TEST_CASE("PoseTurnsDirectionsAndPlacesOrigins", "[camera]") {
  hp_camera camera = PinholeCamera(1, 1, 1);
  camera.camera_to_world = {{0, 0, 1, 7, 1, 0, 0, 8, 0, 1, 0, 9}};  // forward is world x, right is y, down is z
  camera.cx = 0.25;                                                 // a quarter pixel to the right
  camera.t_near = 0.5;
  camera.t_far = 4;
  const auto rays = RaysOf<double>(camera);
  const Vec3 d = Normalised({1, 0.25, 0});
  for (std::size_t c = 0; c < 3; ++c) CHECK(rays.Direction(0)[c] == Approx(d[c]).margin(1e-15));
  CHECK(rays.Origin(0) == Vec3{7, 8, 9});
  CHECK(rays.t_near[0] == 0.5);
  CHECK(rays.t_far[0] == 4);
}

TEST_CASE("StretchedPoseStillGivesUnitDirections", "[camera]") {
  hp_camera camera = PinholeCamera(7, 5, 4);
  camera.camera_to_world = {{2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0}};
  CHECK(LengthError(RaysOf<double>(camera)) < 1e-15);
  CHECK(LengthError(RaysOf<float>(camera)) < 3e-7);
}

TEST_CASE("OrthographicRaysAreParallelAndDistinct", "[camera]") {
  const int width = 7, height = 4;
  hp_camera camera = OrthographicCamera(width, height, 2, kPose);
  const auto rays = RaysOf<double>(camera);
  const auto& m = kPose.m;
  const Vec3 right{m[0], m[4], m[8]}, down{m[1], m[5], m[9]}, forward{m[2], m[6], m[10]}, eye{m[3], m[7], m[11]};
  const double pixel = 2.0 / height;  // square
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto i = static_cast<std::size_t>(y * width + x);
      const Vec3 o = eye + (x + 0.5 - 0.5 * width) * pixel * right + (y + 0.5 - 0.5 * height) * pixel * down;
      for (std::size_t c = 0; c < 3; ++c) {
        CHECK(rays.Direction(i)[c] == Approx(forward[c]).margin(1e-15));
        CHECK(rays.Origin(i)[c] == Approx(o[c]).margin(1e-14));
      }
    }
  }
}

TEST_CASE("PinholeRaysProjectToTheirPixels", "[camera]") {
  hp_camera camera = PinholeCamera(31, 17, 20, kPose);
  camera.fy = 23;
  camera.cx = 11.25;
  CHECK(RoundTrip<double>(camera) < 1e-12);
  CHECK(RoundTrip<float>(camera) < 1e-4);
}

TEST_CASE("BrownConradyRaysDistortToTheirPixels", "[camera]") {
  const double lenses[][5] = {{-0.28, 0.07, 0.0012, -0.0008, 0.0},  // a common wide lens
                              {0.15, 0, 0, 0, 0},
                              {-0.05, 0.01, 0, 0, -0.002},
                              {0, 0, 0.01, -0.02, 0},
                              {0.3, -0.2, 0.003, 0.002, 0.1}};
  for (const auto& lens : lenses) {
    hp_camera camera = PinholeCamera(41, 31, 40, kPose);
    for (int i = 0; i < 5; ++i) camera.distortion[i] = lens[i];
    INFO("k1 " << lens[0] << ", k2 " << lens[1]);
    CHECK(RoundTrip<double>(camera) >= 0);
    CHECK(RoundTrip<double>(camera) < 1e-9);
    CHECK(RoundTrip<float>(camera) >= 0);
    CHECK(RoundTrip<float>(camera) < 2e-4);
  }
}

TEST_CASE("FisheyeRaysDistortToTheirPixels", "[camera]") {
  const double lenses[][4] = {
      {0, 0, 0, 0}, {-0.01, 0.005, -0.003, 0.0005}, {0.05, 0, 0, 0}, {0.02, 0.01, 0, 0}, {-0.03, 0, 0, 0}};
  for (const auto& lens : lenses) {
    for (double focal : {40.0, 14.0, 9.0}) {  // the widest sees behind itself: theta up to 2.8
      hp_camera camera = PinholeCamera(41, 31, focal, kPose);
      camera.model = HP_CAMERA_FISHEYE;
      camera.fy = focal * 1.05;
      for (int i = 0; i < 4; ++i) camera.distortion[i] = lens[i];
      if (lens[0] < -0.02 && focal < 14) continue;  // beyond what that lens maps
      INFO("k1 " << lens[0] << ", focal " << focal);
      CHECK(RoundTrip<double>(camera) >= 0);
      CHECK(RoundTrip<double>(camera) < 1e-9);
      CHECK(RoundTrip<float>(camera) >= 0);
      CHECK(RoundTrip<float>(camera) < 3e-4);
    }
  }
}

TEST_CASE("FisheyeWithoutDistortionIsEquidistant", "[camera]") {
  hp_camera camera = PinholeCamera(3, 1, 1);
  camera.model = HP_CAMERA_FISHEYE;
  camera.fx = 2 / 3.14159265358979323846;  // one pixel is 90 degrees
  const auto rays = RaysOf<double>(camera);
  const Vec3 left{-1, 0, 0}, ahead{0, 0, 1}, right{1, 0, 0};
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(rays.Direction(0)[c] == Approx(left[c]).margin(1e-15));
    CHECK(rays.Direction(1)[c] == Approx(ahead[c]).margin(1e-15));
    CHECK(rays.Direction(2)[c] == Approx(right[c]).margin(1e-15));
  }
}

TEST_CASE("PixelsOutsideTheLensAreCountedAndShowTheBackground", "[camera]") {
  // An equidistant fisheye has no direction beyond 180 degrees off its axis.
  hp_camera camera = PinholeCamera(16, 1, 1, LookAt({0.5, 0.5, 0.5}, {0.5, 0.5, 1}));
  camera.model = HP_CAMERA_FISHEYE;
  HpCounters counters{};
  const auto rays = RaysOf<float>(camera, &counters);
  CHECK(counters[HP_COUNTER_INVALID] == 2 * 5);  // centres at 3.5 … 7.5 and their mirror images
  const HpField field = MakeField(Context(), UniformGrid(1e3f));
  hp_plan_desc desc = PlanDesc(&camera, 0.1);
  desc.background[2] = 0.75;
  const auto image = RenderFused<float>(Context(), MakePlan(Context(), desc), InstanceOf(field), {0, 0, 16, 1});
  CHECK(image.counters[HP_COUNTER_INVALID] == 10);
  for (int x = 0; x < 16; ++x) {
    const auto i = static_cast<std::size_t>(x);
    const bool mapped = std::fabs(x + 0.5 - 8) < 3.1415926;
    CHECK(image.hit[i] == (mapped ? 1 : 0));
    if (!mapped) {
      CHECK(image.rgb[3 * i + 2] == 0.75f);
      CHECK(image.opacity[i] == 0);
      CHECK_FALSE(rays.t_far[i] > rays.t_near[i]);
    }
  }
}

TEST_CASE("PixelsBeyondTheFoldOfABarrelLensAreInvalidNotWrong", "[camera]") {
  // r (1 + k1 r^2) with k1 < 0 rises to r_max = 1 / sqrt(-3 k1), where it is 2/3 r_max: no direction maps further out.
  // The polynomial's other roots, where the mapping has folded over, are not what the lens shows.
  for (double k1 : {-0.1, -0.2, -0.3, -0.5}) {
    const double r_max = 1 / std::sqrt(-3 * k1), edge = 2.0 / 3 * r_max;
    hp_camera camera = PinholeCamera(401, 3, 100);
    camera.distortion[0] = k1;
    HpCounters counters{};
    const auto rays = RaysOf<double>(camera, &counters);
    int folded = 0, invalid = 0, missing = 0;
    for (int i = 0; i < 401 * 3; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double u = (i % 401 + 0.5 - camera.cx) / 100, v = (i / 401 + 0.5 - camera.cy) / 100;
      const double r_d = std::hypot(u, v);
      if (std::fabs(r_d - edge) < 0.02) continue;  // the root is nearly double there
      const bool valid = rays.t_far[at] > rays.t_near[at];
      invalid += !valid;
      if (r_d < edge) {
        missing += !valid;
      } else if (valid) {
        ++folded;
      }
      if (valid && r_d < edge) {
        const Vec3 d = rays.Direction(at);
        const double r = std::hypot(d[0] / d[2], d[1] / d[2]);
        if (r > r_max || u * d[0] < 0) ++folded;
      }
    }
    INFO("k1 " << k1);
    CHECK(missing == 0);
    CHECK(folded == 0);
    CHECK(invalid > 0);
  }
}

TEST_CASE("RoiGivesTheRaysOfItsPixels", "[camera]") {
  hp_camera camera = PinholeCamera(23, 19, 15, kPose);
  camera.distortion[0] = -0.1;
  const HpPlan plan = MakePlan(Context(), PlanDesc(&camera, 1));
  const auto whole = CameraRays<float>(Context(), plan, {0, 0, 23, 19});
  const hp_roi roi = {5, 3, 11, 13};
  const auto part = CameraRays<float>(Context(), plan, roi);
  std::size_t wrong = 0;
  for (int y = 0; y < roi.height; ++y) {
    for (int x = 0; x < roi.width; ++x) {
      const auto i = static_cast<std::size_t>(y * roi.width + x),
                 j = static_cast<std::size_t>((y + roi.y) * 23 + x + roi.x);
      wrong += part.Direction(i) != whole.Direction(j) || part.ids[i] != static_cast<std::int64_t>(j);
    }
  }
  CHECK(wrong == 0);
}

}  // namespace dvren::test
