// Colours and storage: spherical harmonics, transfer functions, halves, and random dense grids against the reference.
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

DenseGrid RandomGrid(TestRandom& random, std::int64_t nz, std::int64_t ny, std::int64_t nx, std::int64_t channels,
                     bool half) {
  DenseGrid grid;
  grid.nz = nz, grid.ny = ny, grid.nx = nx, grid.channels = channels;
  for (std::int64_t i = 0; i < nz * ny * nx; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const double v = c + 1 == channels ? random.Uniform(0, 3) : random.Uniform(-1, 1);
      if (half) {
        grid.halves.push_back(NearestHalf(v));
      } else {
        grid.values.push_back(static_cast<float>(v));
      }
    }
  }
  return grid;
}

// The same numbers, stored as f32.
DenseGrid Widened(const DenseGrid& half) {
  DenseGrid grid = half;
  grid.halves.clear();
  for (std::uint16_t h : half.halves) grid.values.push_back(static_cast<float>(HalfValue(h)));
  return grid;
}

struct Evaluated {
  std::vector<double> sigma, rgb;
};
Evaluated Evaluate(const hp_instance& instance, const std::vector<double>& positions,
                   const std::vector<double>& directions) {
  hp_plan_desc desc = PlanDesc(nullptr, 1);
  desc.precision = HP_PRECISION_F64;
  const HpPlan plan = MakePlan(Context(), desc);
  const auto n = static_cast<std::int64_t>(positions.size() / 3);
  Evaluated out{std::vector<double>(static_cast<std::size_t>(n)), std::vector<double>(positions.size())};
  const hp_tensor p = TensorOf(positions.data(), {n, 3}), d = TensorOf(directions.data(), {n, 3}),
                  s = TensorOf(out.sigma.data(), {n}), c = TensorOf(out.rgb.data(), {n, 3});
  HpCheck(hp_field_evaluate(Context().stream(), plan.get(), &instance, &p, &d, &s, &c, NoWorkspace()));
  return out;
}

HpRays<double> RandomRays(TestRandom& random, int n, const Vec3& lo, const Vec3& hi) {
  HpRays<double> rays;
  for (int i = 0; i < n; ++i) {
    const Vec3 d = random.Direction();
    rays.Add(random.In(lo, hi) - random.Uniform(0, 3) * d, d, 0, random.Below(2) ? 1e30 : random.Uniform(1, 6));
  }
  return rays;
}

}  // namespace

TEST_CASE("HarmonicsAreOrthonormalInTheReference", "[color]") {
  // Guards the tests' own tables: the integral of Y_i Y_j over the sphere is 1 or 0 (Gauss-Legendre by brute force).
  const int n = 200;
  std::vector<double> gram(256, 0.0);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < 2 * n; ++j) {
      const double z = -1 + (i + 0.5) * 2 / n, a = (j + 0.5) * 3.14159265358979323846 / n, r = std::sqrt(1 - z * z);
      const auto b = ReferenceHarmonics(3, {r * std::cos(a), r * std::sin(a), z});
      for (std::size_t p = 0; p < 16; ++p) {
        for (std::size_t q = 0; q < 16; ++q) gram[16 * p + q] += b[p] * b[q] * (2.0 / n) * (3.14159265358979323846 / n);
      }
    }
  }
  for (std::size_t p = 0; p < 16; ++p) {
    for (std::size_t q = 0; q < 16; ++q) CHECK(gram[16 * p + q] == Approx(p == q ? 1.0 : 0.0).margin(1e-3));
  }
  CHECK(ReferenceHarmonics(1, {0, 1, 0})[1] == Approx(-0.48860251));
  CHECK(ReferenceHarmonics(2, {0, 0, 1})[6] == Approx(2 * 0.31539157));
}

TEST_CASE("SphericalHarmonicColoursAreTheDirectSum", "[color]") {
  TestRandom random(21);
  for (std::int64_t channels : {13, 28, 49}) {
    for (bool half : {false, true}) {
      // One opaque voxel: the ray's colour is max(0, 1/2 + sum c_i Y_i(d)) at its direction.
      DenseGrid grid = RandomGrid(random, 1, 1, 1, channels, half);
      if (half) {
        grid.halves.back() = NearestHalf(1e4);
      } else {
        grid.values.back() = 1e4f;
      }
      const HpField field = MakeField(Context(), grid);
      const int degree = channels == 13 ? 1 : channels == 28 ? 2 : 3;
      int clamped = 0;
      for (int i = 0; i < 50; ++i) {
        const Vec3 d = random.Direction();
        const auto image =
            RenderRay<double>(Context(), PlanDesc(nullptr, 0.1), InstanceOf(field), Vec3{0.5, 0.5, 0.5} - 3 * d, d);
        const auto basis = ReferenceHarmonics(degree, d);
        for (std::size_t c = 0; c < 3; ++c) {
          double sum = 0.5;
          for (std::size_t k = 0; k < basis.size(); ++k) {
            const std::size_t at = c * basis.size() + k;
            sum += basis[k] * (half ? HalfValue(grid.halves[at]) : static_cast<double>(grid.values[at]));
          }
          clamped += sum < 0;
          CHECK(image.rgb[c] == Approx(std::max(0.0, sum)).margin(1e-12));
        }
      }
      CHECK(clamped > 0);  // or the test does not reach the max
    }
  }
}

TEST_CASE("TransferFunctionIsPiecewiseLinearBetweenKnotsAndConstantBeyond", "[color]") {
  const std::vector<double> knots{0.5, 1.0, 3.0, 3.25}, rgb{1, 0, 0.25, 0, 1, 0.5, -2, 4, 0.75, 8, 0, 1};
  std::vector<float> densities{0.0f, 0.25f, 0.5f, 0.75f, 1.0f, 1.5f, 2.0f, 2.999f, 3.0f, 3.125f, 3.25f, 3.5f, 100.0f};
  TestRandom random(22);
  for (int i = 0; i < 50; ++i) densities.push_back(static_cast<float>(random.Uniform(0, 4)));
  for (float density : densities) {
    const HpField field = MakeField(Context(), UniformGrid(density));
    hp_instance instance = InstanceOf(field);
    instance.knot_count = static_cast<std::int32_t>(knots.size());
    instance.knot_density = knots.data();
    instance.knot_rgb = rgb.data();
    instance.sigma_scale = 7;  // the colour is of the raw density
    instance.color[0] = 55;    // and not this one
    const Vec3 exact = ReferenceTransfer(knots, rgb, density);
    const Evaluated e = Evaluate(instance, {0.5, 0.5, 0.5}, {0, 0, 1});
    INFO("density " << density);
    CHECK(e.sigma[0] == Approx(7.0 * static_cast<double>(density)).margin(1e-12));
    for (std::size_t c = 0; c < 3; ++c) CHECK(e.rgb[c] == Approx(exact[c]).margin(1e-12));
  }
}

TEST_CASE("TransferFunctionOfOneKnotIsAConstant", "[color]") {
  const double knot = 1, rgb[3] = {0.125, 0.25, 0.5};
  for (float density : {0.0f, 1.0f, 2.0f}) {
    const HpField field = MakeField(Context(), UniformGrid(density));
    hp_instance instance = InstanceOf(field);
    instance.knot_count = 1;
    instance.knot_density = &knot;
    instance.knot_rgb = rgb;
    const Evaluated e = Evaluate(instance, {0.5, 0.5, 0.5}, {0, 0, 1});
    for (std::size_t c = 0; c < 3; ++c) CHECK(e.rgb[c] == rgb[c]);
  }
}

TEST_CASE("TransferFunctionTakesAllItsKnots", "[color]") {
  std::vector<double> knots, rgb;
  TestRandom random(23);
  for (int i = 0; i < HP_MAX_TRANSFER_KNOTS; ++i) {
    knots.push_back(i * i * 1e-3);
    for (int c = 0; c < 3; ++c) rgb.push_back(random.Uniform(-1, 2));
  }
  for (int i = 0; i < 200; ++i) {
    const float density = static_cast<float>(random.Uniform(0, 70));
    const HpField field = MakeField(Context(), UniformGrid(density));
    hp_instance instance = InstanceOf(field);
    instance.knot_count = HP_MAX_TRANSFER_KNOTS;
    instance.knot_density = knots.data();
    instance.knot_rgb = rgb.data();
    const Vec3 exact = ReferenceTransfer(knots, rgb, density);
    const Evaluated e = Evaluate(instance, {0.5, 0.5, 0.5}, {0, 0, 1});
    for (std::size_t c = 0; c < 3; ++c) CHECK(e.rgb[c] == Approx(exact[c]).margin(1e-9));
  }
}

TEST_CASE("ConstantColourColoursTheSlab", "[color]") {
  const HpField field = MakeField(Context(), UniformGrid(2));
  hp_instance instance = InstanceOf(field);
  instance.color[0] = 0.5, instance.color[1] = 3, instance.color[2] = -1;
  const auto image = RenderRay<double>(Context(), PlanDesc(nullptr, 0.01), instance, {0.5, 0.5, -1}, {0, 0, 1});
  for (std::size_t c = 0; c < 3; ++c)
    CHECK(image.rgb[c] == Approx(instance.color[c] * (1 - std::exp(-2.0))).epsilon(1e-12));
}

TEST_CASE("HalvesRenderAsTheirExactFloats", "[color]") {
  // The same bits as f32 storage of the same rounded numbers, on every lane.
  TestRandom random(24);
  for (hp_isa isa : AvailableIsas()) {
    const HpContext context(isa, 2);
    for (std::int64_t channels : {1, 4, 13, 28, 49}) {
      for (hp_interp interp : {HP_INTERP_LINEAR, HP_INTERP_NEAREST}) {
        DenseGrid half = RandomGrid(random, 5, 6, 7, channels, true);
        half.interp = interp;
        half.halves[static_cast<std::size_t>(channels) - 1] = 1;  // a subnormal density
        const HpField narrow = MakeField(context, half), wide = MakeField(context, Widened(half));
        const hp_camera camera = PinholeCamera(33, 21, 30, LookAt({1.4, 0.1, -1.1}, {0.5, 0.5, 0.5}));
        const HpPlan plan = MakePlan(context, PlanDesc(&camera, 0.03));
        const auto a = RenderFused<float>(context, plan, InstanceOf(narrow), {0, 0, 33, 21});
        const auto b = RenderFused<float>(context, plan, InstanceOf(wide), {0, 0, 33, 21});
        INFO(context.name() << ", " << channels << " channels, interp " << interp);
        CHECK(Difference(a, b) == "");
      }
    }
  }
}

TEST_CASE("RandomGridsRenderAsTheReferenceDoes", "[color]") {
  TestRandom random(25);
  const std::vector<double> knots{0.3, 1.1, 2.0}, knot_rgb{0, 0, 1, 0, 1, 0.5, 1, 0.25, 0};
  double worst_double = 0, worst_float = 0;
  for (int round = 0; round < 40; ++round) {
    const std::int64_t channels = std::vector<std::int64_t>{1, 4, 13, 28, 49}[static_cast<std::size_t>(round % 5)];
    DenseGrid grid =
        RandomGrid(random, 1 + random.Below(6), 1 + random.Below(6), 1 + random.Below(9), channels, round % 3 == 0);
    grid.interp = round % 4 == 1 ? HP_INTERP_NEAREST : HP_INTERP_LINEAR;
    grid.border = round % 7 == 3 ? HP_BORDER_CLAMP : HP_BORDER_ZERO;
    grid.box_min = {-0.5, 0.25, -1};
    grid.box_max = {1, 1.5, 0.75};
    grid.local_to_world = {{0.8, 0.1, 0, 0.2, -0.3, 1.1, 0.2, 0, 0, 0.1, 0.9, -0.4}};
    const HpField field = MakeField(Context(), grid);
    hp_instance instance = InstanceOf(field);
    instance.object_to_world = {{0, 0, 1.5, 0, 1, 0, 0, 0.5, 0, 1, 0.25, 0}};
    instance.sigma_scale = 0.7;
    instance.color[1] = 0.3;
    if (round % 2) {
      instance.knot_count = 3;
      instance.knot_density = knots.data();
      instance.knot_rgb = knot_rgb.data();
    }
    hp_plan_desc desc = PlanDesc(nullptr, random.LogUniform(0.01, 0.5));
    desc.precision = HP_PRECISION_F64;
    desc.sampling = round % 3 == 1 ? HP_SAMPLING_STRATIFIED : HP_SAMPLING_FIXED;
    desc.seed = random.Bits();
    desc.max_steps = round % 6 == 5 ? 9 : 1 << 20;
    desc.background[0] = 0.2;
    const ReferenceMedium medium = ReferenceOf(grid, instance);
    HpRays<double> rays = RandomRays(random, 60, {-1, -1, -1}, {1.5, 1.5, 1.5});
    if (medium.unbounded) {
      for (double& t : rays.t_far) t = std::min(t, 5.0);
    }
    const auto image = RenderRays<double>(Context(), MakePlan(Context(), desc), instance, rays);
    HpRays<float> single;
    for (std::size_t i = 0; i < image.size(); ++i)
      single.Add(rays.Origin(i), rays.Direction(i), rays.t_near[i], rays.t_far[i]);
    desc.precision = HP_PRECISION_F32;
    const auto coarse = RenderRays<float>(Context(), MakePlan(Context(), desc), instance, single);
    for (std::size_t i = 0; i < image.size(); ++i) {
      const ReferencePixel p =
          ReferenceRay(medium, desc, rays.Origin(i), rays.Direction(i), rays.t_near[i], rays.t_far[i], i);
      // A sample next to a voxel's bound may fall to the other side in another arithmetic: nearest grids jump there.
      const double slack = grid.interp == HP_INTERP_NEAREST ? 0 : 1;
      auto error = [&](double a, double b) { return slack * std::fabs(a - b) / (1 + std::fabs(b)); };
      for (std::size_t c = 0; c < 3; ++c) {
        worst_double = std::max(worst_double, error(image.rgb[3 * i + c], p.rgb[c]));
        worst_float = std::max(worst_float, error(coarse.rgb[3 * i + c], p.rgb[c]));
      }
      worst_double = std::max({worst_double, error(image.opacity[i], p.opacity), error(image.depth[i], p.depth)});
      worst_float = std::max({worst_float, error(coarse.opacity[i], p.opacity), error(coarse.depth[i], p.depth)});
    }
  }
  CAPTURE(worst_double, worst_float);
  CHECK(worst_double < 1e-11);
  CHECK(worst_float < 3e-5);
}

TEST_CASE("NearestGridsRenderAsTheReferenceDoes", "[color]") {
  // Away from the voxels' bounds: rays at the centres of columns, segments that end on the bounds.
  TestRandom random(26);
  DenseGrid grid = RandomGrid(random, 8, 4, 4, 4, false);
  grid.interp = HP_INTERP_NEAREST;
  const HpField field = MakeField(Context(), grid);
  const hp_instance instance = InstanceOf(field);
  const hp_plan_desc desc = PlanDesc(nullptr, 1.0 / 16);
  const ReferenceMedium medium = ReferenceOf(grid, instance);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) {
      const Vec3 o{(x + 0.5) / 4, (y + 0.25) / 4, -1}, d{0, 0, 1};
      const auto image = RenderRay<double>(Context(), desc, instance, o, d);
      const ReferencePixel p = ReferenceRay(medium, desc, o, d, 0, kInf);
      for (std::size_t c = 0; c < 3; ++c) CHECK(image.rgb[c] == Approx(p.rgb[c]).margin(1e-13));
      CHECK(image.opacity[0] == Approx(p.opacity).margin(1e-13));
    }
  }
}

TEST_CASE("EvaluatedFieldIsTheReferenceAndZeroOutsideTheBox", "[color]") {
  TestRandom random(27);
  for (std::int64_t channels : {1, 4, 13, 28, 49}) {
    DenseGrid grid = RandomGrid(random, 4, 5, 6, channels, false);
    grid.box_min = {-1, -1, -1};
    const HpField field = MakeField(Context(), grid);
    const hp_instance instance = InstanceOf(field);
    const ReferenceMedium medium = ReferenceOf(grid, instance);
    std::vector<double> positions, directions;
    for (int i = 0; i < 300; ++i) {
      for (double x : random.In({-1.3, -1.3, -1.3}, {1.3, 1.3, 1.3})) positions.push_back(x);
      for (double x : random.Direction()) directions.push_back(x);
    }
    positions[0] = positions[1] = positions[2] = 1;  // a corner is inside
    const Evaluated e = Evaluate(instance, positions, directions);
    int outside = 0;
    for (std::size_t i = 0; i < 300; ++i) {
      const Vec3 p{positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]};
      const Vec3 d{directions[3 * i], directions[3 * i + 1], directions[3 * i + 2]};
      const bool inside = std::fabs(p[0]) <= 1 && std::fabs(p[1]) <= 1 && std::fabs(p[2]) <= 1;
      const ReferenceSample s = inside ? medium.sample(p, d) : ReferenceSample{0, {0, 0, 0}};
      outside += !inside;
      CHECK(e.sigma[i] == Approx(s.sigma).margin(1e-12));
      for (std::size_t c = 0; c < 3; ++c) CHECK(e.rgb[3 * i + c] == Approx(s.rgb[c]).margin(1e-12));
    }
    CHECK(outside > 50);
  }
}

}  // namespace dvren::test
