// The engine against an independent float64 renderer, through both paths and both precisions.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "support/goldens.h"
#include "support/render_fixture.h"

namespace dvren::test {
namespace {

io::DenseVolume VolumeOf(const GoldenField& golden) {
  io::DenseVolume volume;
  volume.shape = golden.shape;
  volume.box = Box{golden.box_min, golden.box_max};
  volume.interp = golden.nearest ? io::Interp::kNearest : io::Interp::kLinear;
  volume.border = golden.clamp ? io::Border::kClamp : io::Border::kZero;
  volume.values = io::Blob(golden.values.size() * sizeof(float));
  std::transform(golden.values.begin(), golden.values.end(), reinterpret_cast<float*>(volume.values.data()),
                 [](double v) { return static_cast<float>(v); });
  return volume;
}

CameraModel ModelOf(const GoldenCamera& g) {
  if (g.model == "orthographic") return OrthographicModel{g.ortho_scale};
  if (g.model == "fisheye") return FisheyeModel{g.fx, g.fy, g.cx, g.cy, g.k1, g.k2, g.k3, g.k4};
  if (g.model == "pinhole") return PinholeModel{g.fx, g.fy, g.cx, g.cy, g.k1, g.k2, g.k3, g.p1, g.p2};
  throw std::runtime_error("camera.model = " + g.model + ": unknown");
}

Camera CameraOf(const GoldenCamera& golden) {
  Camera camera;
  camera.width = golden.width;
  camera.height = golden.height;
  camera.model = ModelOf(golden);
  camera.keyframes = {CameraKeyframe{0, Affine{golden.camera_to_world}}};
  camera.t_near = golden.t_near;
  camera.t_far = golden.t_far;
  return camera;
}

// The largest differences of one render from its golden.
struct Errors {
  double rgb = 0, opacity = 0, depth_relative = 0;
};

Errors Compare(Stream& stream, const GoldenCase& golden, RenderPath path, Precision precision) {
  Scene scene = SceneOf(stream, VolumeOf(golden.field));
  scene.instances[0].sigma_scale = golden.sigma_scale;
  if (golden.field.shape[3] == 1) scene.instances[0].color = golden.field.color;
  PlanSpec spec;
  spec.camera = CameraOf(golden.camera);
  spec.sampling.dt = golden.dt;
  spec.sampling.max_steps = golden.max_steps;
  spec.sampling.early_stop = golden.early_stop;
  spec.background = golden.background;
  spec.aovs = kEveryAov;
  spec.precision = precision;
  const auto plan = Get(Planner::Make(stream.device(), spec));
  const Frame frame = Get(Renderer(path).Render(stream, *plan, scene));
  const std::vector<double> rgb = Values(stream, frame.rgb), opacity = Values(stream, frame.opacity),
                            transmittance = Values(stream, frame.transmittance), depth = Values(stream, frame.depth);
  Errors errors;
  for (const GoldenPixel& pixel : golden.pixels) {
    const std::size_t i = static_cast<std::size_t>(pixel.y) * golden.camera.width + pixel.x;
    for (std::size_t c = 0; c < 3; ++c) errors.rgb = std::max(errors.rgb, std::abs(rgb[3 * i + c] - pixel.rgb[c]));
    errors.opacity = std::max(
        {errors.opacity, std::abs(opacity[i] - pixel.opacity), std::abs(1 - transmittance[i] - pixel.opacity)});
    if (pixel.opacity > 1e-4) {
      errors.depth_relative = std::max(errors.depth_relative, std::abs(depth[i] - pixel.depth) / pixel.depth);
    }
    // max() passes over NaN.
    REQUIRE(std::isfinite(rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2] + opacity[i] + transmittance[i] + depth[i]));
  }
  return errors;
}

TEST_CASE("The engine renders every golden case as the independent renderer does") {
  const std::vector<GoldenCase> goldens = LoadGoldenRenders(GoldenRenderPath());
  if (goldens.empty()) {
    WARN("SKIPPED: no golden renders at " << GoldenRenderPath() << "; set DVREN_DATA to the data folder beside them");
    return;
  }
  Stream stream = Get(Cpu()->CreateStream());
  // The goldens are rounded to nine digits and the grids are stored in f32, so that f64 cannot come closer than this.
  const auto [precision, tolerance] =
      GENERATE(std::make_pair(Precision::kF32, 1e-5), std::make_pair(Precision::kF64, 2e-7));
  const RenderPath path = GENERATE(RenderPath::kFused, RenderPath::kStaged);
  for (const GoldenCase& golden : goldens) {
    INFO(golden.name << (path == RenderPath::kFused ? ", fused" : ", staged")
                     << (precision == Precision::kF32 ? ", f32" : ", f64"));
    const Errors errors = Compare(stream, golden, path, precision);
    CHECK(errors.rgb <= tolerance);
    CHECK(errors.opacity <= tolerance);
    CHECK(errors.depth_relative <= tolerance);
  }
}

}  // namespace
}  // namespace dvren::test
