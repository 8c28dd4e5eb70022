// Gradients of given rays, ray by ray: rays of all kinds through every field, then the hard ones: opaque, of 10^4
// samples, stopped early, grazing the box, empty.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>

#include "gradcheck/differences.h"
#include "gradcheck/scene_under_test.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

// A number of every ray.
struct Coordinate {
  std::string name;
  std::function<void(HpRays<double>&, std::size_t ray, double h)> move;
  std::function<double(const HpRayGrads<double>&, std::size_t ray)> gradient;
  double step;
};

std::vector<Coordinate> Coordinates(double distance, double reach) {
  std::vector<Coordinate> all;
  for (std::size_t c = 0; c < 3; ++c) {
    all.push_back({"origins", [c](HpRays<double>& r, std::size_t i, double h) { r.origins[3 * i + c] += h; },
                   [c](const HpRayGrads<double>& g, std::size_t i) { return g.origins[3 * i + c]; }, distance});
    all.push_back({"directions", [c](HpRays<double>& r, std::size_t i, double h) { r.directions[3 * i + c] += h; },
                   [c](const HpRayGrads<double>& g, std::size_t i) { return g.directions[3 * i + c]; },
                   distance / reach});
  }
  all.push_back({"t_near", [](HpRays<double>& r, std::size_t i, double h) { r.t_near[i] += h; },
                 [](const HpRayGrads<double>& g, std::size_t i) { return g.t_near[i]; }, distance});
  all.push_back({"t_far", [](HpRays<double>& r, std::size_t i, double h) { r.t_far[i] += h; },
                 [](const HpRayGrads<double>& g, std::size_t i) { return g.t_far[i]; }, distance});
  return all;
}

// Rays from around the field into it; `finite` ones end behind it.
HpRays<double> SomeRays(const FieldExample& example, int count, std::uint64_t seed, bool finite) {
  TestRandom random(seed);
  HpRays<double> rays;
  for (int i = 0; i < count; ++i) {
    const Vec3 target = example.centre + random.Uniform(0, 0.6) * example.radius * random.Direction();
    const Vec3 from = example.centre + random.Uniform(0.2, 2) * example.radius * random.Direction();
    const Vec3 d = Normalised(target - from);
    const bool ends = finite || example.unbounded || random.Below(2) == 0;
    rays.Add(from, d, random.Below(2) ? random.Uniform(0.01, 0.3) * example.radius : 0.02 * example.radius,
             ends ? random.Uniform(1, 3) * example.radius : kInf);
  }
  return rays;
}

template <class Real, class Other>
HpRays<Real> As(const HpRays<Other>& rays) {
  HpRays<Real> r;
  r.origins.assign(rays.origins.begin(), rays.origins.end());
  r.directions.assign(rays.directions.begin(), rays.directions.end());
  r.t_near.assign(rays.t_near.begin(), rays.t_near.end());
  r.t_far.assign(rays.t_far.begin(), rays.t_far.end());
  r.ids = rays.ids;
  return r;
}
// What f32 holds.
HpRays<double> Rounded(const HpRays<double>& rays) {
  return As<double>(As<float>(rays));
}

HpAdjoint<double> Row(std::int64_t rays, unsigned inputs, std::uint64_t seed) {
  return HpAdjoint<double>::Random(1, static_cast<int>(rays), inputs, seed);
}

HpBackward<double> Backward(const HpContext& context, Evaluator& evaluator, const SceneUnderTest& scene,
                            const HpRays<double>& rays, const HpAdjoint<double>& adjoint) {
  return BackwardRays<double>(context, MakePlan(context, scene.Desc(HP_PRECISION_F64)),
                              scene.Place(evaluator.FieldOf(scene)), rays, adjoint,
                              kFineExponent + std::max(0, std::ilogb(scene.sigma_scale)));
}

void CompareWithSlopes(const HpContext& context, Evaluator& evaluator, const SceneUnderTest& scene,
                       const HpRays<double>& rays, std::uint64_t seed, Verdicts& verdicts, double voxels = 1e-4) {
  const HpAdjoint<double> adjoint = Row(rays.size(), scene.inputs, seed);
  const Evaluation at = evaluator.Rays(scene, rays);
  const HpRayGrads<double> gradients = Backward(context, evaluator, scene, rays, adjoint).rays;
  const auto n = static_cast<std::size_t>(rays.size());
  for (const Coordinate& c : Coordinates(voxels * scene.example->voxel, 3.5 * scene.example->radius)) {
    const Differences steps(c.step);
    std::vector<bool> muted(n, false);
    std::array<std::vector<double>, 6> losses;
    for (std::size_t k = 0; k < 6; ++k) {
      HpRays<double> moved = rays;
      for (std::size_t i = 0; i < n; ++i) c.move(moved, i, steps.Offset(k));
      const Evaluation there = evaluator.Rays(scene, moved);
      losses[k] = adjoint.Losses(there.image);
      for (std::size_t i = 0; i < n; ++i) muted[i] = muted[i] || there.rays[i].bits != at.rays[i].bits;
    }
    std::array<double, 3> e{};
    double norm = 0, magnitude = 0;
    std::int64_t silent = 0;
    for (std::size_t i = 0; i < n; ++i) {
      silent += muted[i];
      const double g = c.gradient(gradients, i);
      CHECK(std::isfinite(g));
      if (muted[i]) continue;
      Differences d(c.step);
      for (std::size_t k = 0; k < 6; ++k) d.Set(k, losses[k][i]);
      for (std::size_t k = 0; k < 3; ++k) e[k] = std::hypot(e[k], d.Slope(k) - g);
      norm = std::hypot(norm, g);
      magnitude = std::hypot(magnitude, losses[0][i]);
    }
    INFO(c.name << ", " << silent << " of " << n << " rays left out");
    CHECK(verdicts.Judge(c.name, e, norm, norm, magnitude, steps.Smallest()) == "");
    verdicts.CountRays(static_cast<std::int64_t>(n), silent);
  }
}

// f32 against f64, all outputs. Returns the fraction of rays left out.
double ComparePrecisions(const HpContext& context, Evaluator& evaluator, const SceneUnderTest& scene,
                         const HpRays<double>& given, std::uint64_t seed) {
  const HpRays<double> rays = Rounded(given);
  HpAdjoint<double> adjoint = Row(rays.size(), scene.inputs, seed);
  for (auto* v : {&adjoint.rgb, &adjoint.opacity, &adjoint.transmittance, &adjoint.depth, &adjoint.distortion}) {
    for (double& g : *v) g = 0.25 + std::fabs(g);
  }
  const Evaluation at = evaluator.Rays(scene, rays);
  double left_out = 0;
  for (std::size_t i = 0; i < at.rays.size(); ++i) {
    if (!at.rays[i].marginal) continue;
    ++left_out;
    adjoint.Mute(i);
  }
  const HpBackward<double> exact = Backward(context, evaluator, scene, rays, adjoint);
  const HpBackward<float> single = BackwardRays<float>(
      context, MakePlan(context, scene.Desc(HP_PRECISION_F32)), scene.Place(evaluator.FieldOf(scene)), As<float>(rays),
      adjoint.As<float>(), hp_gradient_default_exponent(1.25, scene.desc.dt, HP_PRECISION_F32));
  CHECK(single.counters[HP_COUNTER_OVERFLOWED] == 0);
  CHECK(Norm(exact.values) > 0);
  CHECK(RelativeDistance(single.values, exact.values) <= 1e-5);
  // What is below a thousandth of what the loss says is not asked for more digits, less so the more terms it has; but
  // the step's gradient, which is computed in double precision, is.
  const double said = std::hypot(Norm(adjoint.rgb), std::hypot(Norm(adjoint.opacity), Norm(adjoint.depth)));
  double samples = 0;
  for (const Signature& s : at.rays) samples = std::max(samples, static_cast<double>(s.samples));
  auto check = [&](const std::string& name, const std::vector<double>& a, const std::vector<double>& b) {
    INFO(name << ", |gradient| " << Norm(b) << ", |loss| " << said << ", up to " << samples << " samples");
    const double scale = 1e-3 * std::max(1.0, samples / 250) * said;
    CHECK(RelativeDistance(a, b) * (name == "dt" ? 1 : std::min(1.0, Norm(b) / scale)) <= 1e-4);
  };
  auto compare = [&](const char* name, const std::vector<float>& a, const std::vector<double>& b) {
    check(name, std::vector<double>(a.begin(), a.end()), b);
  };
  compare("origins", single.rays.origins, exact.rays.origins);
  compare("directions", single.rays.directions, exact.rays.directions);
  compare("t_near", single.rays.t_near, exact.rays.t_near);
  compare("t_far", single.rays.t_far, exact.rays.t_far);
  for (const SumGroup& group : GroupsOf(scene)) {
    if (group.first >= HP_SUM_CAMERA_TO_WORLD && group.first < HP_SUM_KNOT_DENSITY) continue;  // there is no camera
    check(group.name, single.sums.Range(group.first, group.count), exact.sums.Range(group.first, group.count));
  }
  return left_out / static_cast<double>(at.rays.size());
}

// A dense RGB-sigma grid whose values are affine in the position, so that its slopes do not jump between cells.
FieldExample Ramp(double most_sigma) {
  auto grid = std::make_shared<DenseGrid>();
  grid->nz = 6, grid->ny = 5, grid->nx = 7, grid->channels = 4;
  for (int z = 0; z < 6; ++z) {
    for (int y = 0; y < 5; ++y) {
      for (int x = 0; x < 7; ++x) {
        grid->values.push_back(static_cast<float>(0.125 * x + 0.0625 * z));
        grid->values.push_back(static_cast<float>(0.25 * y - 0.0625 * x));
        grid->values.push_back(static_cast<float>(1 - 0.125 * z));
        grid->values.push_back(static_cast<float>(most_sigma * (1 + x + 2 * y + z) / 32));
      }
    }
  }
  FieldExample example;
  example.name = "ramp up to " + std::to_string(most_sigma);
  example.make = [grid](const HpContext& context) { return MakeField(context, *grid); };
  example.with_values = [grid](const HpContext& context, const std::vector<float>& values) {
    DenseGrid other = *grid;
    other.values = values;
    return MakeField(context, other);
  };
  example.values = grid->values;
  example.channels = 4;
  example.size = {7, 5, 6};
  example.look = InstanceOf(static_cast<const hp_field*>(nullptr));
  example.centre = {0.5, 0.5, 0.5};
  example.radius = std::sqrt(0.75);
  example.voxel = 1.0 / 7;
  return example;
}

}  // namespace

TEST_CASE("RayGradientsAreTheSlopesOfTheForward", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  Evaluator evaluator(context);
  Verdicts verdicts;
  std::uint64_t seed = 100;
  const auto samplers = Samplers();
  for (const FieldExample& example : GradientExamples()) {
    for (double early_stop : {0.0, 1e-2}) {
      SceneUnderTest scene = MakeScene(example);
      scene.desc.sampling = samplers[seed++ % samplers.size()].sampling;
      scene.desc.early_stop = early_stop;
      const unsigned inputs[] = {kOfAll, kOfRgb, kOfOpacity, kOfDepth, kOfTransmittance, kOfDistortion};
      scene.inputs = inputs[seed % 6];
      INFO(example.name << ", sampling " << scene.desc.sampling << ", early stop " << early_stop << ", inputs "
                        << scene.inputs);
      CompareWithSlopes(context, evaluator, scene, SomeRays(example, 40, seed, false), seed, verdicts);
    }
  }
  verdicts.CheckThatMostWasCompared();
  for (const char* name : {"origins", "directions", "t_near", "t_far"}) CHECK(verdicts.NonZero(name) > 20);
  if (std::getenv("DVREN_GRADCHECK_FIGURES")) WARN(verdicts.Figures());
}

TEST_CASE("SinglePrecisionRayGradientsAreTheDoubleOnes", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  Evaluator evaluator(context);
  std::uint64_t seed = 500;
  double left_out = 0, compared = 0;
  for (const FieldExample& example : GradientExamples()) {
    for (double early_stop : {0.0, 1e-2}) {
      SceneUnderTest scene = MakeScene(example);
      scene.desc.early_stop = early_stop;
      INFO(example.name << ", early stop " << early_stop);
      ++seed;
      left_out += ComparePrecisions(context, evaluator, scene, SomeRays(example, 50, seed, false), seed);
      ++compared;
    }
  }
  CHECK(left_out / compared < 0.05);
}

TEST_CASE("OpaqueRaysHaveRightGradients", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  Evaluator evaluator(context);
  Verdicts verdicts;
  for (const FieldExample& example : GradientExamples()) {
    if (example.channels > 13 || example.values.size() == 1) continue;
    for (double scale : {30.0, 400.0}) {
      SceneUnderTest scene = MakeScene(example);
      scene.sigma_scale = scale / example.voxel / 7;
      INFO(example.name << ", sigma scale " << scene.sigma_scale);
      const HpRays<double> rays = SomeRays(example, 30, 900, false);
      const Evaluation at = evaluator.Rays(scene, rays);
      int opaque = 0;
      for (double o : at.image.opacity) opaque += o > 0.9999;
      CHECK(opaque > 5);
      CompareWithSlopes(context, evaluator, scene, rays, 900, verdicts);
      // (So dense that an optical depth of 1 lies in a few hundred units in the last place of t, f32 has no digits
      // left.)
      if (scale < 100) ComparePrecisions(context, evaluator, scene, rays, 901);
    }
  }
  verdicts.CheckThatMostWasCompared();
  if (std::getenv("DVREN_GRADCHECK_FIGURES")) WARN(verdicts.Figures());
}

TEST_CASE("RaysOfTenThousandSamplesHaveRightGradients", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  Evaluator evaluator(context);
  Verdicts verdicts;
  for (double most : {1.0, 8.0}) {
    const FieldExample ramp = Ramp(most);
    for (double early_stop : {0.0, 1e-2}) {
      SceneUnderTest scene = MakeScene(ramp);
      scene.affine = true;
      scene.desc.dt = 1e-4;
      scene.desc.early_stop = early_stop;
      HpRays<double> rays;
      TestRandom random(61);
      for (int i = 0; i < 12; ++i) {
        // From corner to corner, about 1.6 long, between the outermost voxel centres for most of it.
        const Vec3 from = random.In({-0.2, -0.2, -0.2}, {0.2, 0.2, 0.2}),
                   to = random.In({0.8, 0.8, 0.8}, {1.2, 1.2, 1.2});
        const Vec3 d = Normalised(to - from);
        rays.Add(from - 0.5 * d, d, 0.01, i % 2 ? random.Uniform(1.85, 1.95) : kInf);
      }
      INFO("sigma up to " << most << ", early stop " << early_stop);
      const Evaluation at = evaluator.Rays(scene, rays);
      std::int64_t most_samples = 0;
      for (const Signature& s : at.rays) most_samples = std::max(most_samples, s.samples);
      CHECK(most_samples > (early_stop > 0 && most > 1 ? 3000 : 10000));
      CompareWithSlopes(context, evaluator, scene, rays, 17, verdicts, 1e-5);
      ComparePrecisions(context, evaluator, scene, rays, 18);
    }
  }
  if (std::getenv("DVREN_GRADCHECK_FIGURES")) WARN(verdicts.Figures());
}

TEST_CASE("GrazingRaysHaveRightGradients", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  Evaluator evaluator(context);
  Verdicts verdicts;
  const FieldExample ramp = Ramp(30);
  SceneUnderTest scene = MakeScene(ramp);
  scene.desc.dt = 0.05;
  HpRays<double> rays;
  TestRandom random(8);
  for (int i = 0; i < 60; ++i) {
    // Cuts an edge of the unit cube: chords from 10^-3 to a few segments, many shorter than one.
    const double depth = random.LogUniform(1e-3, 0.1), along = random.Uniform(0.1, 0.9);
    const std::size_t axis = static_cast<std::size_t>(i) % 3, a = (axis + 1) % 3, b = (axis + 2) % 3;
    Vec3 at{0, 0, 0}, d{0, 0, 0};
    at[axis] = along;
    at[a] = depth;
    at[b] = 0.3 * depth;
    d[axis] = random.Uniform(-0.2, 0.2);
    d[a] = 1, d[b] = -random.Uniform(0.5, 1.5);
    d = Normalised(d);
    rays.Add(at - 2 * d, d, 0.03, kInf);
  }
  const Evaluation at = evaluator.Rays(scene, rays);
  int single = 0;
  for (const Signature& s : at.rays) single += s.samples == 1;
  CHECK(single > 10);
  CompareWithSlopes(context, evaluator, scene, rays, 3, verdicts);
  ComparePrecisions(context, evaluator, scene, rays, 4);
  if (std::getenv("DVREN_GRADCHECK_FIGURES")) WARN(verdicts.Figures());
}

TEST_CASE("EmptyRaysHaveNoGradients", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  Evaluator evaluator(context);
  for (const FieldExample& example : GradientExamples()) {
    if (example.unbounded) continue;
    SceneUnderTest scene = MakeScene(example);
    HpRays<double> rays;
    const Vec3 c = example.centre;
    const double r = example.radius;
    rays.Add(c + Vec3{3 * r, 0, 0}, {1, 0, 0}, 0.1 * r);           // behind it
    rays.Add(c + Vec3{3 * r, 0, 0}, {0, 1, 0}, 0.1 * r);           // past it
    rays.Add(c, {0, 0, 1}, 0.5 * r, 0.5 * r);                      // ends where it begins
    rays.Add(c, {0, 0, 1}, 0.5 * r, 0.25 * r);                     // ends before
    rays.Add(c - Vec3{3 * r, 0, 0}, {1, 0, 0}, 0.1 * r, 0.5 * r);  // ends in front of it
    rays.Add(c - Vec3{3 * r, 0, 0}, {1, 0, 0}, 7 * r);             // begins behind it
    const HpAdjoint<double> adjoint(1, static_cast<int>(rays.size()), kOfAll, 0.5);
    const HpBackward<double> got = Backward(context, evaluator, scene, rays, adjoint);
    INFO(example.name);
    for (const auto* v : {&got.rays.origins, &got.rays.directions, &got.rays.t_near, &got.rays.t_far, &got.values}) {
      for (double g : *v) CHECK_FALSE((g != 0 || std::isnan(g)));
    }
    for (const SumGroup& group : GroupsOf(scene)) {
      const std::vector<double> sums = got.sums.Range(group.first, group.count);
      // The background is all that they show.
      if (group.first == HP_SUM_BACKGROUND) {
        for (double g : sums) CHECK(g == 0.5 * 6);
      } else {
        CHECK(Norm(sums) == 0);
      }
    }
  }
}

}  // namespace dvren::test
