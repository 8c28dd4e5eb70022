// Distortion: against its definition as a double sum over pairs, against integrals known in closed form, and its
// gradients against slopes of the double sum.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_gradients.h"
#include "support/hp_reference.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

const HpContext& Context() {
  static const HpContext context(HP_ISA_AUTO, 1);
  return context;
}

// One ray's samples.
struct Samples {
  std::vector<double> t, length, sigma;
};

// sum_ij w_i w_j |t_i - t_j| + sum_i w_i^2 length_i / 3, pair by pair.
double DistortionOf(const Samples& s) {
  std::vector<double> w;
  double through = 1;
  for (std::size_t i = 0; i < s.t.size(); ++i) {
    w.push_back(through * -std::expm1(-s.sigma[i] * s.length[i]));
    through *= std::exp(-s.sigma[i] * s.length[i]);
  }
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    for (std::size_t j = 0; j < w.size(); ++j) sum += w[i] * w[j] * std::fabs(s.t[i] - s.t[j]);
    sum += w[i] * w[i] * s.length[i] / 3;
  }
  return sum;
}

// Lengths and places as segments have them, some of them empty or all but opaque.
Samples RandomSamples(TestRandom& random, int count, double from) {
  Samples s;
  double begin = from;
  for (int i = 0; i < count; ++i) {
    const double length = random.Uniform(0.02, 0.2);
    s.t.push_back(begin + random.Uniform(0.1, 0.9) * length);
    s.length.push_back(length);
    const int kind = random.Below(6);
    s.sigma.push_back(kind == 0 ? 0 : kind == 1 ? random.Uniform(5, 20) : random.Uniform(0, 3));
    begin += length;
  }
  return s;
}

struct Staged {
  double distortion = 0;
  Samples gradient;  // dD/d(t), dD/d(length), dD/d(sigma)
};

// hp_int and hp_diff with dL/dD = 1.
Staged RunStaged(const Samples& given) {
  const auto n = static_cast<std::int64_t>(given.t.size());
  const HpPlan plan = [] {
    hp_plan_desc desc = PlanDesc(nullptr, 0.1);
    desc.precision = HP_PRECISION_F64;
    desc.early_stop = 0;
    return MakePlan(Context(), desc);
  }();
  HpSamples<double> samples(1, n);
  samples.t = given.t;
  samples.dt = given.length;
  samples.sigma = given.sigma;
  samples.rgb.assign(samples.rgb.size(), 0.5);
  samples.count = {static_cast<std::int32_t>(n)};
  const HpIntegrals<double> integrals(1);
  const hp_samp_t stored = samples.View();
  const hp_intl_t made = integrals.View();
  HpCheck(hp_int(Context().stream(), plan.get(), &stored, &made, NoTensor(), NoWorkspace()));
  const HpAdjoint<double> adjoint(1, 1, kOfDistortion, 1);
  const HpSampleGrads<double> d(1, n);
  const hp_samp_grads_t out = d.View();
  hp_grads_t g = NoGradients();
  adjoint.Fill(g);
  HpCheck(hp_diff(Context().stream(), plan.get(), &stored, &made, &g, &out, NoTensor(), NoWorkspace()));
  for (double v : d.rgb) CHECK(v == 0);
  return {integrals.distortion[0], {d.t, d.dt, d.sigma}};
}

// Of the double sum: central, two steps, the error of the fourth order.
double Slope(const Samples& at, std::vector<double> Samples::*which, std::size_t i) {
  const double h = 1e-3;
  auto moved = [&](double by) {
    Samples s = at;
    (s.*which)[i] += by;
    return DistortionOf(s);
  };
  return (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
}

DenseGrid SomeGrid(TestRandom& random) {
  DenseGrid grid;
  grid.nz = 6, grid.ny = 5, grid.nx = 7;
  for (int i = 0; i < 6 * 5 * 7; ++i) {
    grid.values.push_back(random.Below(3) == 0 ? 0 : static_cast<float>(random.Uniform(0, 8)));
  }
  return grid;
}

}  // namespace

TEST_CASE("DistortionOfSamplesIsTheDoubleSum", "[distortion]") {
  TestRandom random(71);
  for (int trial = 0; trial < 40; ++trial) {
    const Samples s = RandomSamples(random, 1 + random.Below(30), trial % 2 ? 0.3 : 40);
    CHECK(RunStaged(s).distortion == Approx(DistortionOf(s)).epsilon(1e-12).margin(1e-15));
  }
}

TEST_CASE("DistortionHasTheSlopesOfTheDoubleSum", "[distortion]") {
  TestRandom random(72);
  for (int trial = 0; trial < 12; ++trial) {
    const Samples s = RandomSamples(random, 1 + random.Below(20), trial % 2 ? 0.3 : 40);
    const Samples g = RunStaged(s).gradient;
    for (std::size_t i = 0; i < s.t.size(); ++i) {
      INFO("trial " << trial << ", sample " << i << " of " << s.t.size());
      // The order of t does not change within twice the step.
      CHECK(g.t[i] == Approx(Slope(s, &Samples::t, i)).margin(1e-10));
      CHECK(g.length[i] == Approx(Slope(s, &Samples::length, i)).margin(2e-8));
      CHECK(g.sigma[i] == Approx(Slope(s, &Samples::sigma, i)).margin(1e-10));
    }
  }
}

TEST_CASE("DistortionOfOneSegmentIsAThirdOfItsWeightSquared", "[distortion]") {
  // All of the ray in one segment: |t_i - t_i| = 0, D = w^2 length / 3.
  for (double sigma : {0.25, 1.0, 8.0}) {
    const HpField field = MakeField(Context(), UniformGrid(static_cast<float>(sigma)));
    const auto image = RenderRay<double>(Context(), PlanDesc(nullptr, 4), InstanceOf(field), {0.5, 0.5, -1}, {0, 0, 1});
    const double w = -std::expm1(-sigma);
    CHECK(image.distortion[0] == Approx(w * w / 3).epsilon(1e-12));
  }
}

TEST_CASE("DistortionOfASlabHasItsClosedForm", "[distortion]") {
  // w(t) = s exp(-s t) on [0, 1]:  D = integral of w(t) w(u) |t - u| = (1 - exp(-2 s)) / s - 2 exp(-s),
  //   dD/ds = -(1 - exp(-2 s)) / s^2 + 2 exp(-2 s) / s + 2 exp(-s).
  for (double s : {0.125, 1.0, 4.0, 20.0}) {
    const HpField field = MakeField(Context(), UniformGrid(static_cast<float>(s)));
    hp_plan_desc desc = PlanDesc(nullptr, 1e-3);
    desc.precision = HP_PRECISION_F64;
    desc.early_stop = 0;
    HpRays<double> rays;
    rays.Add({0.5, 0.5, -1}, {0, 0, 1}, 0, kInf);
    const HpPlan plan = MakePlan(Context(), desc);
    const auto image = RenderRays<double>(Context(), plan, InstanceOf(field), rays);
    const double exact = -std::expm1(-2 * s) / s - 2 * std::exp(-s);
    const double slope = std::expm1(-2 * s) / (s * s) + 2 * std::exp(-2 * s) / s + 2 * std::exp(-s);
    INFO("sigma " << s);
    CHECK(image.distortion[0] == Approx(exact).epsilon(1e-4));
    const auto g =
        BackwardRays<double>(Context(), plan, InstanceOf(field), rays, HpAdjoint<double>(1, 1, kOfDistortion, 1));
    CHECK(g.values[0] == Approx(slope).epsilon(1e-4).margin(1e-6));
    // Where along the ray the slab lies does not matter, but for where the segments lie in it.
    CHECK(g.rays.origins[2] == Approx(0).margin(5e-4));
  }
}

TEST_CASE("DistortionOfRaysIsTheReferences", "[distortion]") {
  TestRandom random(73);
  double worst_double = 0, worst_float = 0, most = 0;
  for (int trial = 0; trial < 6; ++trial) {
    const DenseGrid grid = SomeGrid(random);
    const HpField field = MakeField(Context(), grid);
    const hp_instance instance = InstanceOf(field);
    const ReferenceMedium medium = ReferenceOf(grid, instance);
    hp_plan_desc desc = PlanDesc(nullptr, 0.03);
    desc.early_stop = trial % 2 ? 0.02 : 0;
    if (trial > 2) desc.sampling = HP_SAMPLING_STRATIFIED;
    desc.seed = 5;
    HpRays<double> rays;
    HpRays<float> single;
    for (int i = 0; i < 40; ++i) {
      const Vec3 from = random.In({-1, -1, -1}, {2, 2, 2}), to = random.In({0, 0, 0}, {1, 1, 1});
      rays.Add(from, Normalised(to - from), 0, i % 3 ? kInf : 1.1);
      single.Add(from, Normalised(to - from), 0, i % 3 ? kInf : 1.1);
    }
    desc.precision = HP_PRECISION_F64;
    const auto image = RenderRays<double>(Context(), MakePlan(Context(), desc), instance, rays);
    desc.precision = HP_PRECISION_F32;
    const auto coarse = RenderRays<float>(Context(), MakePlan(Context(), desc), instance, single);
    for (std::size_t i = 0; i < image.size(); ++i) {
      const ReferencePixel p =
          ReferenceRay(medium, desc, rays.Origin(i), rays.Direction(i), rays.t_near[i], rays.t_far[i], i);
      most = std::max(most, p.distortion);
      worst_double = std::max(worst_double, std::fabs(image.distortion[i] - p.distortion));
      // Early stop may end a ray a sample apart in another arithmetic: up to its threshold.
      if (desc.early_stop == 0) {
        worst_float = std::max(worst_float, std::fabs(static_cast<double>(coarse.distortion[i]) - p.distortion));
      }
    }
  }
  CAPTURE(worst_double, worst_float);
  CHECK(most > 0.2);
  CHECK(worst_double < 1e-12);
  CHECK(worst_float < 2e-6);
}

}  // namespace dvren::test
