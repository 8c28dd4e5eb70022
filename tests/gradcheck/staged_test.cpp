// The staged adjoints, which are read to understand the fused one: the same bits, whatever the field, the camera and
// the lanes.
#include <catch2/catch.hpp>

#include "gradcheck/scene_under_test.h"

namespace dvren::test {
namespace {

template <class Real>
void CompareStagedWithFused(const HpContext& context, const SceneUnderTest& scene) {
  const HpField field = scene.Field(context);
  const hp_instance instance = scene.Place(field);
  const HpPlan plan = MakePlan(context, scene.Desc(PrecisionOf<Real>()));
  const hp_roi whole = scene.Whole();
  const auto adjoint = HpAdjoint<Real>::Random(whole.height, whole.width, scene.inputs, 7 + scene.name.size());
  const HpRays<Real> rays = CameraRays<Real>(context, plan, whole);
  const auto staged = BackwardStaged<Real>(context, plan, instance, rays, adjoint, kFineExponent, true, &whole);
  const auto fused = BackwardFused<Real>(context, plan, instance, whole, adjoint);
  const auto of_rays = BackwardRays<Real>(context, plan, instance, rays, adjoint);
  INFO(scene.name << " | " << context.name() << (sizeof(Real) == 8 ? ", f64" : ", f32"));
  CHECK(FirstDifference("values", fused.values, staged.values) == "");
  // The fused backward computes the step's gradient in double precision, the staged one from the samples it is given.
  auto comparable = [](std::vector<std::int64_t> sums) {
    if (sizeof(Real) == 4) sums[2 * HP_SUM_DT] = sums[2 * HP_SUM_DT + 1] = 0;
    return sums;
  };
  CHECK(FirstDifference("sums", comparable(fused.sums.bits), comparable(staged.sums.bits)) == "");
  CHECK(FirstDifference("values of rays", of_rays.values, staged.values) == "");
  CHECK(FirstDifference("d_origins", of_rays.rays.origins, staged.rays.origins) == "");
  CHECK(FirstDifference("d_directions", of_rays.rays.directions, staged.rays.directions) == "");
  CHECK(FirstDifference("d_t_near", of_rays.rays.t_near, staged.rays.t_near) == "");
  CHECK(FirstDifference("d_t_far", of_rays.rays.t_far, staged.rays.t_far) == "");
  for (Real g : staged.rays.origins) CHECK_FALSE(std::isnan(g));
}

}  // namespace

TEST_CASE("StagedGradientsAreTheFusedOnesToTheBit", "[gradcheck]") {
  std::vector<std::unique_ptr<HpContext>> contexts;
  for (hp_isa isa : AvailableIsas()) contexts.push_back(std::make_unique<HpContext>(isa, 1));
  contexts.push_back(std::make_unique<HpContext>(HP_ISA_AUTO, 3));
  const std::vector<FieldExample> examples = GradientExamples();
  std::size_t turn = 0;
  for (const SceneUnderTest& scene : PairwiseScenes(examples)) {
    for (const auto& context : contexts) CompareStagedWithFused<float>(*context, scene);
    CompareStagedWithFused<double>(*contexts[turn++ % contexts.size()], scene);
  }
}

TEST_CASE("SampleGradientsBeyondTheEndOfARayAreZero", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  const std::vector<FieldExample> examples = GradientExamples();
  int ended = 0;
  for (const FieldExample& example : examples) {
    SceneUnderTest scene = MakeScene(example);
    scene.desc.early_stop = 0.3;
    scene.sigma_scale *= 4;
    TestRandom random(2);
    HpRays<float> rays;
    for (int i = 0; i < 37; ++i) {
      const Vec3 from = example.centre + 1.7 * example.radius * random.Direction();
      rays.Add(from, Normalised(example.centre - from), 0, 3 * example.radius);
    }
    const HpField field = scene.Field(context);
    const hp_instance instance = scene.Place(field);
    const HpPlan plan = MakePlan(context, scene.Desc(HP_PRECISION_F32));
    const HpAdjoint<float> adjoint(1, 37, kOfAll, 1);
    HpSampleGrads<float> d(1, 1);
    (void)BackwardStaged<float>(context, plan, instance, rays, adjoint, kFineExponent, true, nullptr, &d);
    const HpSamples<float> samples = SampleRays(context, plan, instance, rays);
    const HpIntegrals<float> integrals(rays.size());
    const hp_samp_t stored = samples.View();
    const hp_intl_t made = integrals.View();
    HpCheck(hp_int(context.stream(), plan.get(), &stored, &made, NoTensor(), NoWorkspace()));
    INFO(example.name);
    for (std::size_t i = 0; i < 37; ++i) {
      ended += integrals.end[i] < samples.count[i];
      for (auto n = static_cast<std::size_t>(integrals.end[i]); n < static_cast<std::size_t>(d.capacity); ++n) {
        const std::size_t at = i * static_cast<std::size_t>(d.capacity) + n;
        CHECK(d.t[at] == 0);
        CHECK(d.dt[at] == 0);
        CHECK(d.sigma[at] == 0);
        for (std::size_t c = 0; c < 3; ++c) CHECK(d.rgb[3 * at + c] == 0);
      }
    }
  }
  CHECK(ended > 50);
}

}  // namespace dvren::test
