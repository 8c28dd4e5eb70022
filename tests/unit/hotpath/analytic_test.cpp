// Renders whose answers are known from mathematics: slabs, blobs, sheets, boxes.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_reference.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

const HpContext& Context() {
  static const HpContext context(HP_ISA_AUTO, 1);
  return context;
}

// A column of voxels along z over [0, 1]^3, one value each.
DenseGrid Column(std::vector<float> sigma, hp_interp interp) {
  DenseGrid grid;
  grid.nz = static_cast<std::int64_t>(sigma.size());
  grid.values = std::move(sigma);
  grid.interp = interp;
  return grid;
}

template <class Real>
HpImage<Real> AlongZ(const DenseGrid& grid, double dt, double early_stop = 0) {
  const HpField field = MakeField(Context(), grid);
  hp_plan_desc plan = PlanDesc(nullptr, dt);
  plan.early_stop = early_stop;
  return RenderRay<Real>(Context(), plan, InstanceOf(field), {0.5, 0.5, -1}, {0, 0, 1});
}

}  // namespace

TEMPLATE_TEST_CASE("HomogeneousSlabHasOpacityOneMinusExp", "[analytic]", float, double) {
  const double tolerance = sizeof(TestType) == 4 ? 2e-6 : 1e-13;
  for (double sigma : {0.0, 1e-6, 1e-3, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 16.0, 40.0, 1e3}) {
    for (double dt : {2.0, 1.0, 0.3, 0.01}) {  // a lattice that fits and lattices that do not
      const HpImage<TestType> image = AlongZ<TestType>(UniformGrid(static_cast<float>(sigma)), dt);
      const double exact = -std::expm1(-static_cast<double>(static_cast<float>(sigma)));
      INFO("sigma " << sigma << ", dt " << dt);
      CHECK(std::fabs(image.opacity[0] - exact) <= tolerance * std::max(exact, 1e-30));
      CHECK(std::fabs(image.transmittance[0] - (1 - exact)) <= tolerance);
      CHECK(std::fabs(image.rgb[0] - exact) <= 4 * tolerance);  // white
    }
  }
}

TEMPLATE_TEST_CASE("PiecewiseSlabsMultiplyTheirTransmittance", "[analytic]", float, double) {
  TestRandom random(1);
  for (int n : {2, 3, 5, 16}) {
    std::vector<float> sigma;
    double depth = 0;
    for (int i = 0; i < n; ++i) {
      sigma.push_back(static_cast<float>(random.Uniform(0, 4)));
      depth += static_cast<double>(sigma.back()) / n;
    }
    // Segment bounds fall on the slabs' bounds: the quadrature is exact.
    const HpImage<TestType> image = AlongZ<TestType>(Column(sigma, HP_INTERP_NEAREST), 0.25 / n);
    CHECK(image.transmittance[0] == Approx(std::exp(-depth)).epsilon(sizeof(TestType) == 4 ? 2e-6 : 1e-12));
  }
}

TEST_CASE("LinearRampIntegratesToItsMean", "[analytic]") {
  // Midpoints integrate linear pieces exactly; the edge values hold half a voxel beyond the outermost centres.
  const std::vector<float> sigma{0.5f, 1.5f, 3.0f, 1.0f};
  const double exact = (0.5 * 0.5 + (0.5 + 1.5) / 2 + (1.5 + 3.0) / 2 + (3.0 + 1.0) / 2 + 0.5 * 1.0) / 4;
  const HpImage<double> image = AlongZ<double>(Column(sigma, HP_INTERP_LINEAR), 1.0 / 64);
  CHECK(image.opacity[0] == Approx(-std::expm1(-exact)).epsilon(1e-12));
}

TEST_CASE("GaussianBlobMatchesErf", "[analytic]") {
  // sigma(z) = a exp(-(z - m)^2 / (2 s^2)) over [0, 1]: optical depth a s sqrt(pi/2) (erf - erf).
  const double a = 6, s = 0.11, m = 0.47;
  const int n = 4096;
  std::vector<float> sigma;
  for (int i = 0; i < n; ++i) {
    const double z = (i + 0.5) / n - m;
    sigma.push_back(static_cast<float>(a * std::exp(-z * z / (2 * s * s))));
  }
  const double depth = a * s * std::sqrt(std::acos(-1.0) / 2) *
                       (std::erf((1 - m) / (s * std::sqrt(2.0))) + std::erf(m / (s * std::sqrt(2.0))));
  const double opacity = -std::expm1(-depth);
  CHECK(AlongZ<double>(Column(sigma, HP_INTERP_LINEAR), 1.0 / n).opacity[0] == Approx(opacity).margin(1e-6));
  CHECK(AlongZ<float>(Column(sigma, HP_INTERP_LINEAR), 1.0 / n).opacity[0] == Approx(opacity).margin(3e-6));
}

TEST_CASE("ExponentialRampMatchesItsIntegral", "[analytic]") {
  const int n = 4096;
  std::vector<float> sigma;
  for (int i = 0; i < n; ++i) sigma.push_back(static_cast<float>(std::exp(2 * (i + 0.5) / n)));
  const double depth = (std::exp(2.0) - 1) / 2;
  CHECK(AlongZ<double>(Column(sigma, HP_INTERP_LINEAR), 0.5 / n).opacity[0] ==
        Approx(-std::expm1(-depth)).margin(1e-6));
}

TEST_CASE("OpaqueFrontReturnsItsColour", "[analytic]") {
  DenseGrid grid;  // a red opaque half before a green one
  grid.nz = 2;
  grid.channels = 4;
  grid.values = {0.75f, 0.125f, 0.25f, 1e4f, 0.0f, 1.0f, 0.0f, 1e4f};
  grid.interp = HP_INTERP_NEAREST;
  const HpField field = MakeField(Context(), grid);
  hp_plan_desc plan = PlanDesc(nullptr, 0.1);
  for (double& b : plan.background) b = 0.5;
  for (double early_stop : {0.0, 1e-4}) {
    plan.early_stop = early_stop;
    const auto image = RenderRay<float>(Context(), plan, InstanceOf(field), {0.5, 0.5, -1}, {0, 0, 1});
    CHECK(image.rgb[0] == 0.75f);
    CHECK(image.rgb[1] == 0.125f);
    CHECK(image.rgb[2] == 0.25f);
    CHECK(image.opacity[0] == 1);
    CHECK(image.transmittance[0] == 0);
    CHECK(image.hit[0] == 1);
    const auto behind = RenderRay<float>(Context(), plan, InstanceOf(field), {0.5, 0.5, 2}, {0, 0, -1});
    CHECK(behind.rgb[0] == 0);
    CHECK(behind.rgb[1] == 1);
  }
}

TEST_CASE("EmptyVolumeReturnsTheBackgroundToTheBit", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(0));
  hp_plan_desc plan = PlanDesc(nullptr, 0.01);
  plan.background[0] = 0.1, plan.background[1] = 0.7, plan.background[2] = -2.5;
  const auto image = RenderRay<float>(Context(), plan, InstanceOf(field), {0.2, 0.3, -1}, {0, 0, 1});
  for (std::size_t c = 0; c < 3; ++c) CHECK(image.rgb[c] == static_cast<float>(plan.background[c]));
  CHECK(image.opacity[0] == 0);
  CHECK(image.transmittance[0] == 1);
  CHECK(image.depth[0] == 0);
  CHECK(image.hit[0] == 0);
}

TEST_CASE("RaysThatMissTheBoxSeeTheBackground", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(5));
  hp_plan_desc plan = PlanDesc(nullptr, 0.01);
  plan.background[1] = 0.25;
  const Vec3 misses[][2] = {{{1.01, 0.5, -1}, {0, 0, 1}},
                            {{0.5, 0.5, -1}, {0, 0, -1}},
                            {{-1, -1, 2.1}, {0.6, 0.8, 0}},
                            {{0.5, 2, 0.5}, Normalised({1, 1, 1})}};
  for (const auto& ray : misses) {
    const auto image = RenderRay<float>(Context(), plan, InstanceOf(field), ray[0], ray[1]);
    CHECK(image.opacity[0] == 0);
    CHECK(image.rgb[1] == 0.25f);
    CHECK(image.counters[HP_COUNTER_SAMPLES] == 0);
  }
}

TEST_CASE("RaysAlongFacesAndEdgesOfTheBoxAreInside", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(1, {-1, 0, 2}, {1, 1, 4}));
  const hp_plan_desc plan = PlanDesc(nullptr, 0.05);
  const double opacity = 1 - std::exp(-2.0);
  for (double x : {-1.0, 0.0, 1.0}) {  // in the faces x = -1 and x = 1, and between
    for (double y : {0.0, 0.5, 1.0}) {
      for (double sign : {1.0, -1.0}) {
        const auto image = RenderRay<float>(Context(), plan, InstanceOf(field), {x, y, 3 - 5 * sign}, {0, 0, sign});
        INFO(x << ", " << y << ", " << sign);
        CHECK(image.opacity[0] == Approx(opacity).epsilon(2e-6));
      }
    }
  }
  const float outside = std::nextafter(1.0f, 2.0f);
  CHECK(RenderRay<float>(Context(), plan, InstanceOf(field), {outside, 0.5, 0}, {0, 0, 1}).opacity[0] == 0);
  // A zero of either sign in the direction is a zero.
  CHECK(RenderRay<float>(Context(), plan, InstanceOf(field), {1, 0, 0}, {-0.0, -0.0, 1}).opacity[0] ==
        Approx(opacity).epsilon(2e-6));
}

TEST_CASE("RaysThroughABoxAreAsLongAsTheChord", "[analytic]") {
  // Any ray: the optical depth is the chord's length, known from the slab test in double precision.
  const Vec3 lo{-0.3, 0.1, 1}, hi{1.7, 0.9, 2.5};
  const HpField field = MakeField(Context(), UniformGrid(0.5, lo, hi));
  ReferenceMedium medium;
  medium.lo = lo;
  medium.hi = hi;
  hp_plan_desc plan = PlanDesc(nullptr, 0.07);
  plan.precision = HP_PRECISION_F64;
  TestRandom random(3);
  HpRays<double> rays;
  for (int i = 0; i < 2000; ++i) {
    Vec3 d = random.Direction();
    if (i % 5 == 0) d[static_cast<std::size_t>(random.Below(3))] = 0;
    rays.Add(random.In({-2, -2, -2}, {4, 3, 5}), Normalised(d));
  }
  const auto image = RenderRays<double>(Context(), MakePlan(Context(), plan), InstanceOf(field), rays);
  double worst = 0;
  int hits = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    double t0 = 0, t1 = kInf;
    const bool hit = ReferenceClip(medium, rays.Origin(i), rays.Direction(i), &t0, &t1);
    hits += hit;
    worst = std::max(worst, std::fabs(image.opacity[i] - (hit ? 1 - std::exp(-0.5 * (t1 - t0)) : 0)));
  }
  CHECK(hits > 50);
  CHECK(worst < 1e-12);
}

TEST_CASE("HundredThousandThinSamplesKeepTheirDigits", "[analytic]") {
  for (double sigma : {0.01, 0.5, 3.0}) {
    const auto image = AlongZ<float>(UniformGrid(static_cast<float>(sigma)), 1e-5);
    CHECK(image.counters[HP_COUNTER_SAMPLES] >= 99999);
    const double exact = -std::expm1(-static_cast<double>(static_cast<float>(sigma)));
    INFO("sigma " << sigma);
    CHECK(std::fabs(image.opacity[0] - exact) <= 1e-6);
    CHECK(std::fabs(image.transmittance[0] - (1 - exact)) <= 1e-6);
  }
}

TEST_CASE("DepthOfAThinOpaqueSheetIsItsDistance", "[analytic]") {
  std::vector<float> sigma(1000, 0.0f);
  sigma[620] = 1e6f;  // the voxel [0.620, 0.621]
  const HpImage<float> image = AlongZ<float>(Column(sigma, HP_INTERP_NEAREST), 1e-4);
  CHECK(image.opacity[0] == 1);
  CHECK(image.depth[0] == Approx(1.620).margin(2e-4));  // the ray starts at z = -1
  CHECK(image.hit[0] == 1);
}

TEST_CASE("DepthOfAHomogeneousSlabIsTheMeanFreePath", "[analytic]") {
  // sum w t -> integral of t sigma exp(-sigma (t - 1)) over [1, 2] = (1 + 1/s) - exp(-s) (2 + 1/s).
  const double s = 3;
  const HpImage<double> image = AlongZ<double>(UniformGrid(3), 1e-4);
  CHECK(image.depth[0] == Approx((1 + 1 / s) - std::exp(-s) * (2 + 1 / s)).epsilon(1e-7));
}

TEST_CASE("TransmittanceAndOpacityAddUpToOne", "[analytic]") {
  TestRandom random(5);
  DenseGrid grid;
  grid.nz = 9, grid.ny = 7, grid.nx = 8;
  for (int i = 0; i < 9 * 7 * 8; ++i) grid.values.push_back(static_cast<float>(random.Uniform(0, 3)));
  const HpField field = MakeField(Context(), grid);
  const hp_camera camera = PinholeCamera(40, 30, 40, LookAt({1.5, 1.2, -1.3}, {0.5, 0.5, 0.5}));
  hp_plan_desc plan = PlanDesc(&camera, 0.01);
  plan.early_stop = 1e-3;
  const auto image = RenderFused<float>(Context(), MakePlan(Context(), plan), InstanceOf(field), {0, 0, 40, 30});
  float worst = 0;
  int hits = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    worst = std::max(worst, std::fabs(image.transmittance[i] + image.opacity[i] - 1));
    CHECK(image.hit[i] == (image.opacity[i] > 0.5f ? 1.0f : 0.0f));
    hits += image.hit[i] == 1;
  }
  CHECK(worst <= 1.2e-7f);
  CHECK(hits > 100);
  CHECK(hits < 1100);
}

TEST_CASE("HitNeedsMoreThanHalfOpacity", "[analytic]") {
  const float half = static_cast<float>(std::log(2.0));
  CHECK(AlongZ<float>(UniformGrid(half * 1.0001f), 0.1).hit[0] == 1);
  CHECK(AlongZ<float>(UniformGrid(half * 0.9999f), 0.1).hit[0] == 0);
}

TEST_CASE("CameraInsideTheBoxSeesWhatIsLeft", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(2));
  const hp_plan_desc plan = PlanDesc(nullptr, 0.03);
  for (double z : {0.0, 0.25, 0.999, 1.0}) {
    const auto ahead = RenderRay<float>(Context(), plan, InstanceOf(field), {0.5, 0.5, z}, {0, 0, 1});
    CHECK(ahead.opacity[0] == Approx(1 - std::exp(-2 * (1 - z))).margin(2e-6));
    const auto back = RenderRay<float>(Context(), plan, InstanceOf(field), {0.5, 0.5, z}, {0, 0, -1});
    CHECK(back.opacity[0] == Approx(1 - std::exp(-2 * z)).margin(2e-6));
  }
}

TEST_CASE("NearAndFarCutTheRay", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(2));
  const hp_plan_desc plan = PlanDesc(nullptr, 0.03);
  const auto opacity = [&](double from, double to) {
    return RenderRay<float>(Context(), plan, InstanceOf(field), {0.5, 0.5, -1}, {0, 0, 1}, from, to).opacity[0];
  };
  CHECK(opacity(0, 1.5) == Approx(1 - std::exp(-1.0)).epsilon(3e-6));
  CHECK(opacity(1.75, kInf) == Approx(1 - std::exp(-0.5)).epsilon(3e-6));
  CHECK(opacity(1.2, 1.3) == Approx(1 - std::exp(-0.2)).epsilon(3e-6));
  CHECK(opacity(1.5, 1.5) == 0);
  CHECK(opacity(1.6, 1.5) == 0);  // t_far before t_near: an empty ray
  CHECK(opacity(0, 1) == 0);
  CHECK(opacity(2, 5) == 0);
}

TEST_CASE("ClampedBorderGoesOnForEver", "[analytic]") {
  DenseGrid grid = UniformGrid(0.25f);
  grid.border = HP_BORDER_CLAMP;
  const HpField field = MakeField(Context(), grid);
  const auto image =
      RenderRay<float>(Context(), PlanDesc(nullptr, 0.05), InstanceOf(field), {50, -7, 3}, {0.6, 0.8, 0}, 2, 10);
  CHECK(image.opacity[0] == Approx(1 - std::exp(-2.0)).epsilon(3e-6));
  hp_field_info info = {};
  HP_INIT(info);
  HpCheck(hp_field_get_info(field.get(), &info));
  CHECK(info.unbounded == 1);
}

TEST_CASE("EndlessRayThroughAClampedFieldIsCutByMaxSteps", "[analytic]") {
  DenseGrid grid = UniformGrid(0.25f);
  grid.border = HP_BORDER_CLAMP;
  const HpField field = MakeField(Context(), grid);
  hp_plan_desc plan = PlanDesc(nullptr, 0.5);
  plan.max_steps = 8;
  const auto image = RenderRay<float>(Context(), plan, InstanceOf(field), {0, 0, 0}, {0, 0, 1});
  CHECK(image.opacity[0] == Approx(1 - std::exp(-1.0)).epsilon(3e-6));
  CHECK(image.counters[HP_COUNTER_TRUNCATED] == 1);
}

TEST_CASE("MaxStepsCutsAndCounts", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(1));
  hp_plan_desc plan = PlanDesc(nullptr, 0.1);
  HpRays<float> rays;
  rays.Add({0.5, 0.5, -0.05}, {0, 0, 1});  // its first segment is half a one, its last too: 11 of them
  for (std::int64_t steps : {1, 2, 10, 11, 12}) {
    plan.max_steps = steps;
    const auto image = RenderRays<float>(Context(), MakePlan(Context(), plan), InstanceOf(field), rays);
    const double length = steps >= 11 ? 1.0 : 0.05 + 0.1 * static_cast<double>(steps - 1);
    INFO(steps << " steps");
    CHECK(image.opacity[0] == Approx(1 - std::exp(-length)).epsilon(3e-6));
    CHECK(image.counters[HP_COUNTER_TRUNCATED] == (steps < 11 ? 1 : 0));
    CHECK(image.counts == std::vector<std::int32_t>{static_cast<std::int32_t>(std::min<std::int64_t>(steps, 11)),
                                                    steps < 11 ? HP_RAY_TRUNCATED : HP_RAY_LEFT});
    CHECK(image.counters[HP_COUNTER_SAMPLES] == std::min<std::int64_t>(steps, 11));
    CHECK(image.counters[HP_COUNTER_RAYS] == 1);
  }
}

TEST_CASE("EarlyStopEndsBelowItsThresholdAndGivesTheRestToTheBackground", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(10));
  hp_plan_desc plan = PlanDesc(nullptr, 0.1);  // T falls by e with every segment
  plan.early_stop = 0.05;                      // e^-3 = 0.0498 is below: three samples
  plan.background[0] = 2;
  const auto image = RenderRay<double>(Context(), plan, InstanceOf(field), {0.5, 0.5, 0}, {0, 0, 1});
  CHECK(image.counters[HP_COUNTER_SAMPLES] == 3);
  CHECK(image.counts == std::vector<std::int32_t>{3, HP_RAY_STOPPED});
  CHECK(image.counters[HP_COUNTER_EARLY_STOPPED] == 1);
  CHECK(image.transmittance[0] == Approx(std::exp(-3.0)).epsilon(1e-12));
  CHECK(image.rgb[0] == Approx(1 - std::exp(-3.0) + 2 * std::exp(-3.0)).epsilon(1e-12));
}

TEST_CASE("SigmaScaleMultiplies", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(3));
  hp_instance instance = InstanceOf(field);
  for (double scale : {0.0, 0.125, 1.0, 7.5}) {
    instance.sigma_scale = scale;
    const auto image = RenderRay<float>(Context(), PlanDesc(nullptr, 0.1), instance, {0.5, 0.5, -1}, {0, 0, 1});
    CHECK(image.opacity[0] == Approx(1 - std::exp(-3 * scale)).epsilon(3e-6));
  }
}

TEST_CASE("PlacementMovesTurnsAndStretches", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(1));
  hp_instance instance = InstanceOf(field);
  // Twice as long along x, turned by 90 degrees about z (x -> y), moved to (10, 20, 30): y in [20, 22], x in [9, 10].
  instance.object_to_world = {{0, -1, 0, 10, 2, 0, 0, 20, 0, 0, 1, 30}};
  const hp_plan_desc plan = PlanDesc(nullptr, 0.01);
  CHECK(RenderRay<double>(Context(), plan, instance, {9.5, 0, 30.5}, {0, 1, 0}).opacity[0] ==
        Approx(1 - std::exp(-2.0)).epsilon(1e-12));
  CHECK(RenderRay<double>(Context(), plan, instance, {0, 21.9, 30.5}, {1, 0, 0}).opacity[0] ==
        Approx(1 - std::exp(-1.0)).epsilon(1e-12));
  CHECK(RenderRay<double>(Context(), plan, instance, {10.5, 0, 30.5}, {0, 1, 0}).opacity[0] == 0);
  // Mirrored: sigma is per world unit, whatever the sign of the determinant.
  instance.object_to_world = {{-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  CHECK(RenderRay<double>(Context(), plan, instance, {-2, 0.5, 0.5}, {1, 0, 0}).opacity[0] ==
        Approx(1 - std::exp(-1.0)).epsilon(1e-12));
}

TEST_CASE("StratifiedSamplesLieWherePhiloxPutsThem", "[analytic]") {
  const HpField field = MakeField(Context(), UniformGrid(1));
  hp_plan_desc plan = PlanDesc(nullptr, 0.125);
  plan.sampling = HP_SAMPLING_STRATIFIED;
  plan.seed = 0x0123456789abcdefull;
  plan.precision = HP_PRECISION_F64;
  HpRays<double> rays;
  for (int i = 0; i < 40; ++i) rays.Add({0.5, 0.5, -1}, {0, 0, 1}, 0.5);
  for (int i = 0; i < 40; ++i) rays.ids.push_back(i % 2 ? i : (std::int64_t{i} << 33) + 12345);
  const auto samples = SampleRays(Context(), MakePlan(Context(), plan), InstanceOf(field), rays);
  for (std::size_t i = 0; i < 40; ++i) {
    REQUIRE(samples.count[i] == 8);
    for (std::size_t n = 0; n < 8; ++n) {
      const auto k = static_cast<std::uint32_t>(n + 4);  // the lattice begins at t_near = 0.5, the box at t = 1
      const auto id = static_cast<std::uint64_t>(rays.ids[i]);
      const auto word = Philox({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32), k, 0},
                               {0x89abcdefu, 0x01234567u})[0];
      const double t = 0.5 + k * 0.125 + (word >> 8) * 0x1p-24 * 0.125;
      CHECK(std::fabs(samples.t[i * 8 + n] - t) < 1e-14);
      CHECK(samples.dt[i * 8 + n] == 0.125);
    }
  }
}

TEST_CASE("SegmentsTileTheRayInsideTheBox", "[analytic]") {
  // Of any ray: every segment has a positive length of at most dt, samples lie in order, lengths add up to the chord.
  const HpField field = MakeField(Context(), UniformGrid(1));
  TestRandom random(9);
  std::size_t bad_length = 0, bad_order = 0, bad_sum = 0;
  for (int round = 0; round < 60; ++round) {
    const double dt = random.LogUniform(1e-3, 3), far_away = random.LogUniform(1, 3e3);
    HpRays<float> rays;
    for (int i = 0; i < 64; ++i) {
      const Vec3 target = random.In({0, 0, 0}, {1, 1, 1}), d = random.Direction();
      rays.Add(target - far_away * d, d, random.Below(2) ? 0 : random.Uniform(0, far_away + 1),
               random.Below(3) ? kInf : far_away + random.Uniform(-1, 1));
    }
    hp_plan_desc plan = PlanDesc(nullptr, dt);
    plan.sampling = round % 2 ? HP_SAMPLING_STRATIFIED : HP_SAMPLING_FIXED;
    const auto samples = SampleRays(Context(), MakePlan(Context(), plan), InstanceOf(field), rays);
    for (std::size_t i = 0; i < 64; ++i) {
      double t0 = rays.t_near[i], t1 = rays.t_far[i], sum = 0, before = -1;
      const bool hit = ReferenceClip(ReferenceMedium{}, rays.Origin(i), rays.Direction(i), &t0, &t1);
      for (std::int32_t n = 0; n < samples.count[i]; ++n) {
        const auto at = i * static_cast<std::size_t>(samples.capacity) + static_cast<std::size_t>(n);
        bad_length += !(samples.dt[at] > 0 && samples.dt[at] <= dt * (1 + 1e-5) + far_away * 2e-7);
        bad_order += !(samples.t[at] >= before * (1 - 0x1p-23));  // f32 rounds far places
        before = samples.t[at];
        sum += samples.dt[at];
      }
      // float positions that far away: a few units in the last place of the distance, for every axis.
      bad_sum += std::fabs(sum - (hit ? t1 - t0 : 0)) > 1e-4 + far_away * 3e-6 / 0.01;
    }
  }
  CHECK(bad_length == 0);
  CHECK(bad_order == 0);
  CHECK(bad_sum == 0);
}

}  // namespace dvren::test
