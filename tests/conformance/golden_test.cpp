// Golden renders of an independent renderer, through the C ABI: every case, staged and fused, in both precisions, on
// every instruction set. Fields store f32, the goldens' values are decimal: their rounding alone moves an f64 render by
// a few 1e-8. So f64 goes in two steps: the tests' own reference, fed with the exact values, gives the golden; fed with
// the stored values, it gives what the kernels give.
#include <catch2/catch.hpp>
#include <cmath>

#include "support/goldens.h"
#include "support/hp_fixture.h"
#include "support/hp_reference.h"

namespace dvren::test {
namespace {

DenseGrid GridOf(const GoldenField& field) {
  DenseGrid grid;
  grid.nz = field.shape[0], grid.ny = field.shape[1], grid.nx = field.shape[2], grid.channels = field.shape[3];
  for (double v : field.values) grid.values.push_back(static_cast<float>(v));
  grid.box_min = field.box_min;
  grid.box_max = field.box_max;
  grid.interp = field.nearest ? HP_INTERP_NEAREST : HP_INTERP_LINEAR;
  grid.border = field.clamp ? HP_BORDER_CLAMP : HP_BORDER_ZERO;
  return grid;
}

hp_camera CameraOf(const GoldenCamera& golden) {
  hp_camera camera = PinholeCamera(golden.width, golden.height, 1);
  camera.model = golden.model == "fisheye"        ? HP_CAMERA_FISHEYE
                 : golden.model == "orthographic" ? HP_CAMERA_ORTHOGRAPHIC
                                                  : HP_CAMERA_PINHOLE;
  camera.fx = golden.fx, camera.fy = golden.fy, camera.cx = golden.cx, camera.cy = golden.cy;
  camera.ortho_scale = golden.ortho_scale;
  const double pinhole[5] = {golden.k1, golden.k2, golden.p1, golden.p2, golden.k3};
  const double fisheye[5] = {golden.k1, golden.k2, golden.k3, golden.k4, 0};
  for (int i = 0; i < 5; ++i) camera.distortion[i] = camera.model == HP_CAMERA_FISHEYE ? fisheye[i] : pinhole[i];
  for (std::size_t i = 0; i < 12; ++i) camera.camera_to_world.m[i] = golden.camera_to_world[i];
  camera.t_near = golden.t_near;
  camera.t_far = golden.t_far;
  return camera;
}

template <class Real>
void CheckCase(const GoldenCase& golden, const HpContext& context) {
  const DenseGrid grid = GridOf(golden.field);
  const HpField field = MakeField(context, grid);
  hp_instance instance = InstanceOf(field);
  instance.sigma_scale = golden.sigma_scale;
  const hp_camera camera = CameraOf(golden.camera);
  hp_plan_desc desc = PlanDesc(&camera, golden.dt);
  desc.precision = PrecisionOf<Real>();
  desc.max_steps = golden.max_steps;
  desc.early_stop = golden.early_stop;
  for (std::size_t c = 0; c < 3; ++c) {
    instance.color[c] = golden.field.color[c];
    desc.background[c] = golden.background[c];
  }
  const HpPlan plan = MakePlan(context, desc);
  const HpImage<Real> fused = RenderFused<Real>(context, plan, instance, {0, 0, camera.width, camera.height});
  const HpImage<Real> staged = RenderStaged<Real>(context, plan, instance, camera);
  CHECK(Difference(fused, staged) == "");
  const HpRays<Real> rays = CameraRays<Real>(context, plan, {0, 0, camera.width, camera.height});
  const ReferenceMedium exact = ReferenceOf(grid, instance, golden.field.values), stored = ReferenceOf(grid, instance);
  double worst = 0, worst_exact = 0, worst_stored = 0;
  for (const GoldenPixel& pixel : golden.pixels) {
    const std::size_t i = fused.At(pixel.x, pixel.y);
    const auto off = [&](const Vec3& rgb, double opacity, double depth, const auto& from) {
      double most = std::max(std::fabs(opacity - from.opacity), std::fabs(depth - from.depth));
      for (std::size_t c = 0; c < 3; ++c) most = std::max(most, std::fabs(rgb[c] - from.rgb[c]));
      return most;
    };
    const Vec3 rgb{fused.rgb[3 * i], fused.rgb[3 * i + 1], fused.rgb[3 * i + 2]};
    worst = std::max(worst, off(rgb, fused.opacity[i], fused.depth[i], pixel));
    if (sizeof(Real) == 4) continue;
    auto reference = [&](const ReferenceMedium& medium) {
      return ReferenceRay(medium, desc, rays.Origin(i), rays.Direction(i), rays.t_near[i], rays.t_far[i]);
    };
    const ReferencePixel p = reference(exact);
    worst_exact = std::max(worst_exact, off(p.rgb, p.opacity, p.depth, pixel));
    const ReferencePixel of_stored = reference(stored);
    worst_stored = std::max({worst_stored, off(rgb, fused.opacity[i], fused.depth[i], of_stored),
                             std::fabs(fused.distortion[i] - of_stored.distortion)});
  }
  INFO(golden.name << ", " << context.name() << (sizeof(Real) == 8 ? ", f64" : ", f32"));
  CHECK(worst <= (sizeof(Real) == 4 ? 1e-5 : 1e-7));
  CHECK(worst_exact <= 1.5e-9);  // the goldens have nine decimals
  CHECK(worst_stored <= 1e-11);
}

}  // namespace

TEST_CASE("GoldenRendersThroughTheCAbi", "[golden]") {
  const std::string path = GoldenRenderPath();
  const std::vector<GoldenCase> goldens = LoadGoldenRenders(path);
  if (goldens.empty()) {
    WARN("no golden renders at " << path << ": nothing is compared");
    return;
  }
  for (const GoldenCase& golden : goldens) {
    for (hp_isa isa : AvailableIsas()) {
      const HpContext context(isa, 2);
      CheckCase<float>(golden, context);
      CheckCase<double>(golden, context);
    }
  }
}

}  // namespace dvren::test
