// The f32 bodies against the f64 bodies: relative L2 of whole gradient vectors. Rays with a sample so close to the
// bound of a cell, of a segment or of the lens that the two precisions may see it on different sides are left out
// (there the gradient jumps); how many is bounded here.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "gradcheck/scene_under_test.h"

namespace dvren::test {
namespace {

constexpr double kValueBound = 1e-5, kOtherBound = 1e-4;
// Where a ray begins moves all of its samples, and what they say of it cancels along the ray: 1.4e-4 was seen.
constexpr double kBeginBound = 2e-4;

// What a group must be: something, or nothing because the forward does not read it.
bool MustBeZero(const SceneUnderTest& scene, const std::string& group) {
  const bool orthographic = scene.camera.model == HP_CAMERA_ORTHOGRAPHIC;
  const bool colors = (scene.inputs & kOfRgb) != 0, scalar = scene.example->channels == 1;
  if (group == "background") return !colors;
  if (group == "colour") return !colors || !scalar || !scene.knots.empty();
  if (group == "knot densities" || group == "knot colours") return !colors || scene.knots.empty();
  if (group == "intrinsics" || group == "distortion") return orthographic;
  if (group == "ortho scale") return !orthographic;
  if (group == "t_far") return !(scene.camera.t_far < 1e300);
  return false;
}

// Groups that may be zero by the nature of the case.
bool MayBeZero(const SceneUnderTest& scene, const std::string& group) {
  // Nearest interpolation has no gradient with respect to position: what is left comes through the faces of the box.
  if (scene.example->nearest && (group == "pose" || group == "intrinsics" || group == "distortion" ||
                                 group == "ortho scale" || group == "dt" || group == "t_near" || group == "t_far")) {
    return true;
  }
  // A ray that ends by early stop or leaves by a face does not reach t_far.
  if (group == "t_far") return !scene.example->unbounded || scene.desc.early_stop > 0;
  // One voxel: the value is the same everywhere.
  return scene.example->size[0] * scene.example->size[1] * scene.example->size[2] == 1;
}

// The few-parameter sums of every ray on its own: so compared, nothing cancels between rays.
template <class Real>
std::vector<HpSums> SumsOfRays(const HpContext& context, const SceneUnderTest& scene, const hp_instance& instance,
                               const HpAdjoint<Real>& adjoint) {
  const HpPlan plan = MakePlan(context, scene.Desc(PrecisionOf<Real>()));
  HpImage<Real> forward = RenderFused<Real>(context, plan, instance, scene.Whole());
  std::vector<HpSums> sums(forward.size());
  HpCounters counters{};
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const int x = static_cast<int>(i) % forward.width, y = static_cast<int>(i) / forward.width;
    AddBackwardFused<Real>(context, plan, instance, {x, y, 1, 1}, forward, adjoint,
                           kWantScene | kWantCamera | kWantStep, nullptr, sums[i], counters);
  }
  return sums;
}

std::vector<double> Together(const std::vector<HpSums>& rays, const SumGroup& group) {
  std::vector<double> all;
  for (const HpSums& ray : rays) {
    const std::vector<double> some = ray.Range(group.first, group.count);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace

TEST_CASE("SinglePrecisionGradientsAreTheDoubleOnes", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  const std::vector<FieldExample> examples = GradientExamples();
  Evaluator evaluator(context);
  std::int64_t rays = 0, left_out = 0, stopped = 0;
  double worst_values = 0, worst_other = 0;
  for (const SceneUnderTest& scene : PairwiseScenes(examples)) {
    INFO(scene.name);
    const auto at = evaluator.Camera(scene);
    HpAdjoint<double> adjoint =
        HpAdjoint<double>::Random(scene.camera.height, scene.camera.width, scene.inputs, 5 + scene.name.size());
    // Of one sign, as neighbouring pixels of a real loss mostly are.
    for (auto* v : {&adjoint.rgb, &adjoint.opacity, &adjoint.transmittance, &adjoint.depth, &adjoint.distortion}) {
      for (double& g : *v) g = 0.25 + std::fabs(g);
    }
    for (std::size_t i = 0; i < adjoint.size(); ++i) {
      ++rays;
      stopped += at.rays[i].early_stopped;
      if (!at.rays[i].marginal) continue;
      ++left_out;
      adjoint.Mute(i);
    }
    const HpField field = scene.Field(context);
    const hp_instance instance = scene.Place(field);
    const auto exact = BackwardFused<double>(context, MakePlan(context, scene.Desc(HP_PRECISION_F64)), instance,
                                             scene.Whole(), adjoint);
    const double dt = scene.desc.dt;
    const auto single =
        BackwardFused<float>(context, MakePlan(context, scene.Desc(HP_PRECISION_F32)), instance, scene.Whole(),
                             adjoint.As<float>(), hp_gradient_default_exponent(1, dt, HP_PRECISION_F32));
    CHECK(exact.counters[HP_COUNTER_OVERFLOWED] == 0);
    CHECK(single.counters[HP_COUNTER_OVERFLOWED] == 0);
    for (int channel : {0, 1}) {  // colours, density
      const auto channels = static_cast<std::size_t>(scene.example->channels);
      std::vector<double> a, b;
      for (std::size_t i = 0; i < exact.values.size(); ++i) {
        if ((i % channels == channels - 1) != (channel == 1)) continue;
        a.push_back(single.values[i]);
        b.push_back(exact.values[i]);
      }
      const double distance = RelativeDistance(a, b);
      INFO((channel ? "densities" : "colours") << " of " << a.size() << ", |gradient| " << Norm(b));
      CHECK(distance <= kValueBound);
      worst_values = std::max(worst_values, distance);
      if (channel == 1 || (channels > 1 && (scene.inputs & kOfRgb))) CHECK(Norm(b) > 1e-3);
      if (channel == 0 && !(scene.inputs & kOfRgb)) CHECK(Norm(b) == 0);
    }
    const auto exact_rays = SumsOfRays<double>(context, scene, instance, adjoint);
    const auto single_rays = SumsOfRays<float>(context, scene, instance, adjoint.As<float>());
    for (const SumGroup& group : GroupsOf(scene)) {
      const auto a = single.sums.Range(group.first, group.count), b = exact.sums.Range(group.first, group.count);
      const auto a_rays = Together(single_rays, group), b_rays = Together(exact_rays, group);
      // What cancels between rays does not make the sum more exact than its terms.
      const double apart = RelativeDistance(a, b) * Norm(b), distance = apart / std::max(Norm(b), Norm(b_rays));
      INFO(group.name << ", |gradient| " << Norm(b) << ", of all rays " << Norm(b_rays));
      if (MustBeZero(scene, group.name)) {
        CHECK(Norm(b) == 0);
        CHECK(Norm(a) == 0);
        continue;
      }
      if (!MayBeZero(scene, group.name)) CHECK(Norm(b) > 1e-6);
      if (scene.example->values.size() == 1 && std::string(group.name) == "dt") continue;  // 0 but for rounding
      if (Norm(b_rays) == 0) continue;
      const double bound = std::string(group.name) == "t_near" ? kBeginBound : kOtherBound;
      CHECK(distance <= bound);
      CHECK(RelativeDistance(a_rays, b_rays) <= bound);
      worst_other = std::max({worst_other, distance, RelativeDistance(a_rays, b_rays)});
    }
  }
  CHECK(stopped > 100);
  CHECK(left_out < rays / 20);
  if (std::getenv("DVREN_GRADCHECK_FIGURES")) {
    WARN(rays << " rays, " << left_out << " left out, " << stopped << " stopped early; worst relative distance: values "
              << worst_values << ", others " << worst_other);
  }
}

}  // namespace dvren::test
