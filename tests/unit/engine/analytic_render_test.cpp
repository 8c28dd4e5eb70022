// Renders whose answers are known in closed form, through both paths and both precisions.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/render_fixture.h"

namespace dvren::test {
namespace {

struct How {
  RenderPath path;
  Precision precision;
  [[nodiscard]] double Pick(double f32, double f64) const { return precision == Precision::kF32 ? f32 : f64; }
};
How EveryWay() {
  return GENERATE(How{RenderPath::kFused, Precision::kF32}, How{RenderPath::kStaged, Precision::kF32},
                  How{RenderPath::kFused, Precision::kF64}, How{RenderPath::kStaged, Precision::kF64});
}

PlanSpec Spec(const How& how, double dt) {
  PlanSpec spec;
  spec.sampling.dt = dt;
  spec.sampling.early_stop = 0;
  spec.aovs = kEveryAov;
  spec.precision = how.precision;
  return spec;
}

constexpr Box kBox{{0, 0, 0}, {2, 2, 2}};

TEST_CASE("A homogeneous slab has opacity 1 - exp(-sigma L), wherever the lattice falls") {
  const How how = EveryWay();
  const double sigma = GENERATE(0.0625, 0.75, 4.0), dt = GENERATE(0.01, 0.173, 0.5, 100.0);
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Constant(sigma, kBox));
  Rays rays;
  rays.Add({-1, 1, 1}, {1, 0, 0});
  rays.Add({1, 5, 0.3}, {0, -1, 0});
  const double d = 1 / std::sqrt(3.0);
  rays.Add({-1, -1, -1}, {d, d, d});          // corner to corner
  rays.Add({1, 1, 1}, {0, 0, 1});             // from inside
  rays.Add({-1, 1, 1}, {1, 0, 0}, 1.25);      // t_near inside the box
  rays.Add({-1, 1, 1}, {1, 0, 0}, 0, 1.125);  // t_far inside the box
  rays.Add({-1, 3, 1}, {1, 0, 0});            // past the box
  rays.Add({3, 1, 1}, {1, 0, 0});             // box behind
  const double length[8] = {2, 2, 2 * std::sqrt(3.0), 1, 1.75, 0.125, 0, 0};
  const Frame frame = rays.Render(stream, scene, Spec(how, dt), how.path);
  const std::vector<double> opacity = Values(stream, frame.opacity),
                            transmittance = Values(stream, frame.transmittance), rgb = Values(stream, frame.rgb),
                            hit = Values(stream, frame.hit);
  for (std::size_t i = 0; i < 8; ++i) {
    INFO("ray " << i << ", sigma " << sigma << ", dt " << dt);
    const double answer = -std::expm1(-sigma * length[i]), tolerance = how.Pick(1e-6, 1e-13);
    CHECK(opacity[i] == Approx(answer).epsilon(0).margin(tolerance));
    CHECK(transmittance[i] == Approx(1 - answer).epsilon(0).margin(tolerance));
    CHECK(rgb[3 * i + 1] == Approx(answer).epsilon(0).margin(tolerance));  // white over black
    CHECK(hit[i] == (answer > 0.5 ? 1 : 0));
  }
}

TEST_CASE("Depth tends to the integral of w t as steps shrink") {
  const How how = EveryWay();
  Stream stream = Get(Cpu()->CreateStream());
  const double sigma = 1.5;
  const Scene scene = SceneOf(stream, Constant(sigma, kBox));
  Rays rays;
  rays.Add({-1, 1, 1}, {1, 0, 0});
  const Frame frame = rays.Render(stream, scene, Spec(how, 1e-3), how.path);
  // Integral over [1, 3] of sigma t exp(-sigma (t - 1)) dt.
  const double answer = (1 + 1 / sigma) - (3 + 1 / sigma) * std::exp(-2 * sigma);
  CHECK(Values(stream, frame.depth)[0] == Approx(answer).epsilon(2e-6));
}

TEST_CASE("Slabs of different colour and density compose front to back") {
  const How how = EveryWay();
  Stream stream = Get(Cpu()->CreateStream());
  const double sigma[4] = {0.5, 0, 3, 1.25};
  const double color[4][3] = {{1, 0, 0}, {9, 9, 9}, {0.25, 0.5, 0.75}, {0, 1, 0.125}};
  io::DenseVolume volume = Dense({1, 1, 4, 4}, kBox, [&](double x, double, double, int channel) {
    const int slab = static_cast<int>(x * 2);
    return channel == 3 ? sigma[slab] : color[slab][channel];
  });
  volume.interp = io::Interp::kNearest;
  const Scene scene = SceneOf(stream, volume);
  PlanSpec spec = Spec(how, 0.125);  // segments end where slabs do
  spec.background = {0.1, 0.2, 0.3};
  Rays rays;
  rays.Add({-1, 1, 1}, {1, 0, 0});
  rays.Add({3, 1, 1}, {-1, 0, 0});
  const Frame frame = rays.Render(stream, scene, spec, how.path);
  const std::vector<double> rgb = Values(stream, frame.rgb), opacity = Values(stream, frame.opacity);
  for (int ray = 0; ray < 2; ++ray) {
    double transmittance = 1, answer[3] = {0, 0, 0};
    for (int step = 0; step < 4; ++step) {
      const int slab = ray == 0 ? step : 3 - step;
      const double alpha = -std::expm1(-sigma[slab] * 0.5);
      for (int c = 0; c < 3; ++c) answer[c] += transmittance * alpha * color[slab][c];
      transmittance *= 1 - alpha;
    }
    CHECK(opacity[ray] == Approx(1 - transmittance).epsilon(0).margin(how.Pick(1e-6, 1e-13)));
    for (int c = 0; c < 3; ++c) {
      INFO("ray " << ray << " channel " << c);
      CHECK(rgb[3 * ray + c] ==
            Approx(answer[c] + transmittance * spec.background[c]).epsilon(0).margin(how.Pick(2e-6, 1e-7)));
    }
  }
}

TEST_CASE("A Gaussian blob has the optical depth of its erf") {
  const How how = EveryWay();
  Stream stream = Get(Cpu()->CreateStream());
  constexpr int kN = 65;  // odd: the middle voxel is centred on the axis
  const double s = 0.6, peak = 1.3;
  const Scene scene =
      SceneOf(stream, Dense({kN, kN, kN, 1}, Box{{-3, -3, -3}, {3, 3, 3}}, [&](double x, double y, double z, int) {
                return peak * std::exp(-(x * x + y * y + z * z) / (2 * s * s));
              }));
  const double voxel = 6.0 / kN;
  // Along lines through voxel centres trilinear values are linear pieces, whose integral is the trapezoid rule, which
  // converges faster than any power for a Gaussian; half-voxel segments between centres take its pieces exactly.
  Rays rays;
  rays.Add({-4, 0, 0}, {1, 0, 0}, 1);
  rays.Add({5 * voxel, -4, -3 * voxel}, {0, 1, 0}, 1);
  rays.Add({2 * voxel, 2 * voxel, 4}, {0, 0, -1}, 1, 4);  // to the middle only
  const Frame frame = rays.Render(stream, scene, Spec(how, voxel / 2), how.path);
  const double profile = peak * s * std::sqrt(2 * std::acos(-1.0)) * std::erf(3 / (s * std::sqrt(2.0)));
  const double offset[3] = {0, 5 * 5 + 3 * 3, 2 * 2 + 2 * 2};
  const std::vector<double> opacity = Values(stream, frame.opacity);
  for (int i = 0; i < 3; ++i) {
    const double depth = profile * std::exp(-offset[i] * voxel * voxel / (2 * s * s)) * (i == 2 ? 0.5 : 1);
    INFO("ray " << i);
    CHECK(opacity[i] == Approx(-std::expm1(-depth)).epsilon(0).margin(3e-6));
  }
}

TEST_CASE("An opaque front returns the front's colour and hides what is behind") {
  const How how = EveryWay();
  Stream stream = Get(Cpu()->CreateStream());
  io::DenseVolume volume = Dense({1, 1, 2, 4}, kBox, [](double x, double, double, int channel) {
    const double front[4] = {0.25, 0.5, 1, 1e6}, back[4] = {9, 9, 9, 1};
    return x < 1 ? front[channel] : back[channel];
  });
  volume.interp = io::Interp::kNearest;
  const Scene scene = SceneOf(stream, volume);
  PlanSpec spec = Spec(how, 0.25);
  spec.background = {7, 7, 7};
  spec.sampling.early_stop = GENERATE(0.0, 1e-4);
  Rays rays;
  rays.Add({-1, 1, 1}, {1, 0, 0});
  const Frame frame = rays.Render(stream, scene, spec, how.path);
  CHECK(Values(stream, frame.rgb) == std::vector<double>{0.25, 0.5, 1});
  CHECK(Values(stream, frame.opacity)[0] == 1);
  CHECK(Values(stream, frame.transmittance)[0] == 0);
  CHECK(Values(stream, frame.depth)[0] == 1.125);  // the middle of the first segment
  CHECK(frame.stats.early_stopped == (spec.sampling.early_stop > 0 ? 1 : 0));
}

TEST_CASE("An empty volume returns the background to the last bit") {
  const How how = EveryWay();
  const bool skip = GENERATE(false, true);
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Dense({16, 16, 16, 1}, kBox, [](double, double, double, int) { return 0; }));
  PlanSpec spec = Spec(how, 0.01);
  spec.sampling.skip_empty = skip;
  spec.background = {0.25, -2, 1e6};
  Rays rays;
  rays.Add({-1, 1, 1}, {1, 0, 0});
  const Frame frame = rays.Render(stream, scene, spec, how.path);
  CHECK(Values(stream, frame.rgb) == std::vector<double>{0.25, -2, 1e6});
  CHECK(Values(stream, frame.opacity)[0] == 0);
  CHECK(Values(stream, frame.transmittance)[0] == 1);
  CHECK(Values(stream, frame.depth)[0] == 0);
  CHECK(Values(stream, frame.hit)[0] == 0);
}

TEST_CASE("A ray in a face or along an edge of the box is inside, one beside it outside") {
  const How how = EveryWay();
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Constant(1, kBox));
  Rays rays;
  rays.Add({-1, 0, 1}, {1, 0, 0});      // in a face
  rays.Add({-1, 0, 0}, {1, 0, 0});      // along the lower edge
  rays.Add({3, 2, 2}, {-1, 0, 0});      // along the upper edge, backwards
  rays.Add({-1, -1e-3, 0}, {1, 0, 0});  // just beside
  rays.Add({-1, 2.001, 0}, {1, -0.0, 0.0});
  const std::vector<double> opacity = Values(stream, rays.Render(stream, scene, Spec(how, 0.1), how.path).opacity);
  const double full = -std::expm1(-2.0);
  for (int i = 0; i < 3; ++i) CHECK(opacity[i] == Approx(full).epsilon(0).margin(1e-6));
  CHECK(opacity[3] == 0);
  CHECK(opacity[4] == 0);
}

TEST_CASE("Orthographic rays are parallel: every pixel over the box has the slab's opacity") {
  const How how = EveryWay();
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Constant(0.5, Box{{-1, -1, -1}, {1, 1, 1}}));
  PlanSpec spec = Spec(how, 0.07);
  Camera camera;
  camera.width = 16;
  camera.height = 8;
  camera.model = OrthographicModel{4};  // pixels of half a world unit
  camera.keyframes[0].camera_to_world.m[11] = -5;
  spec.camera = camera;
  const Frame frame = Get(Renderer(how.path).Render(stream, *Get(Planner::Make(Cpu(), spec)), scene));
  const std::vector<double> opacity = Values(stream, frame.opacity);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 16; ++x) {
      const bool over = x >= 6 && x < 10 && y >= 2 && y < 6;
      INFO("pixel " << x << ", " << y);
      CHECK(opacity[16 * y + x] == Approx(over ? -std::expm1(-1.0) : 0).epsilon(0).margin(how.Pick(1e-6, 1e-13)));
    }
  }
}

TEST_CASE("A thin medium keeps its opacity over a hundred thousand samples") {
  const How how = EveryWay();
  const double sigma = GENERATE(1e-4, 0.01, 0.3);
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Constant(sigma, kBox));
  Rays rays;
  rays.Add({0, 1, 1}, {1, 0, 0});
  const Frame frame = rays.Render(stream, scene, Spec(how, 2e-5), how.path);
  const double stored = static_cast<float>(sigma);
  CHECK(std::abs(Values(stream, frame.opacity)[0] + std::expm1(-2 * stored)) <= how.Pick(1e-6, 1e-12));
  CHECK(frame.stats.samples >= 99999);
  CHECK(frame.stats.samples <= 100001);
}

TEST_CASE("Sigma scale multiplies density, and the transfer function reads density before it") {
  const How how = EveryWay();
  Stream stream = Get(Cpu()->CreateStream());
  Scene scene = SceneOf(stream, Constant(0.5, kBox));
  scene.instances[0].sigma_scale = 1e7;  // opaque
  const double density = GENERATE(0.0, 0.25, 0.5, 0.75, 2.0);
  // Linear from (0, 1, 2) at 0.25 to (1, 3, 0) at 0.75; moved so that the field's 0.5 reads `density`.
  scene.instances[0].color = TransferFunction{{0.75 - density, 1.25 - density}, {{0, 1, 2}, {1, 3, 0}}};
  Rays rays;
  rays.Add({-1, 1, 1}, {1, 0, 0});
  const std::vector<double> rgb = Values(stream, rays.Render(stream, scene, Spec(how, 0.5), how.path).rgb);
  const double u = std::min(1.0, std::max(0.0, (density - 0.25) / 0.5));
  CHECK(rgb[0] == Approx(u).margin(1e-6));
  CHECK(rgb[1] == Approx(1 + 2 * u).margin(1e-6));
  CHECK(rgb[2] == Approx(2 - 2 * u).margin(1e-6));
}

TEST_CASE("A placed instance is the same slab elsewhere: lengths scale with it, sigma stays per world unit") {
  const How how = EveryWay();
  Stream stream = Get(Cpu()->CreateStream());
  Scene scene = SceneOf(stream, Constant(0.25, kBox));
  scene.instances[0].object_to_world.m = {0, 0, 3, 10, 3, 0, 0, 20, 0, 3, 0, 30};  // axes turned, three times the size
  Rays rays;
  rays.Add({0, 23, 33}, {1, 0, 0});
  rays.Add({13, 23, 0}, {0, 0, 1});
  rays.Add({1, 1, -1}, {0, 0, 1});  // where the field would be if it were not placed
  const std::vector<double> opacity = Values(stream, rays.Render(stream, scene, Spec(how, 0.1), how.path).opacity);
  CHECK(opacity[0] == Approx(-std::expm1(-0.25 * 6)).epsilon(0).margin(how.Pick(2e-6, 1e-12)));
  CHECK(opacity[1] == Approx(-std::expm1(-0.25 * 6)).epsilon(0).margin(how.Pick(2e-6, 1e-12)));
  CHECK(opacity[2] == 0);
}

}  // namespace
}  // namespace dvren::test
