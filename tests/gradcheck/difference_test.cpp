// The f64 bodies against central differences of the f64 forward, at three step sizes. A difference errs by h^2 of the
// third derivative: halving the step must quarter the error, until rounding is all that is left. Steps are chosen so
// small that hardly a sample leaves its cell (positions move by at most 10^-4 voxels); rays for which anything changed
// that gradients hold fixed are muted for that parameter, and counted.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <set>

#include "gradcheck/differences.h"
#include "gradcheck/scene_under_test.h"

namespace dvren::test {
namespace {

// One number of a scene.
struct Parameter {
  std::string group;
  int sum;  // hp_sum
  std::function<void(SceneUnderTest&, double)> move;
  double step = 0;  // 0: such that positions move by 10^-4 voxels
};

std::vector<Parameter> ParametersOf(const SceneUnderTest& scene) {
  std::vector<Parameter> all;
  auto add = [&](const std::string& group, int sum, double step, std::function<void(SceneUnderTest&, double)> move) {
    all.push_back({group, sum, std::move(move), step});
  };
  for (int i = 0; i < 12; ++i) {
    add("pose", HP_SUM_CAMERA_TO_WORLD + i, 0,
        [i](SceneUnderTest& s, double h) { s.camera.camera_to_world.m[i] += h; });
  }
  const bool orthographic = scene.camera.model == HP_CAMERA_ORTHOGRAPHIC;
  if (!orthographic) {
    add("intrinsics", HP_SUM_INTRINSICS, 0, [](SceneUnderTest& s, double h) { s.camera.fx += h; });
    add("intrinsics", HP_SUM_INTRINSICS + 1, 0, [](SceneUnderTest& s, double h) { s.camera.fy += h; });
    add("intrinsics", HP_SUM_INTRINSICS + 2, 0, [](SceneUnderTest& s, double h) { s.camera.cx += h; });
    add("intrinsics", HP_SUM_INTRINSICS + 3, 0, [](SceneUnderTest& s, double h) { s.camera.cy += h; });
    for (int i = 0; i < (scene.camera.model == HP_CAMERA_FISHEYE ? 4 : 5); ++i) {
      add("distortion", HP_SUM_DISTORTION + i, 0, [i](SceneUnderTest& s, double h) { s.camera.distortion[i] += h; });
    }
  } else {
    add("ortho scale", HP_SUM_ORTHO_SCALE, 0, [](SceneUnderTest& s, double h) { s.camera.ortho_scale += h; });
  }
  const double voxels = 1e-4 * scene.example->voxel;
  add("t_near", HP_SUM_T_NEAR, voxels, [](SceneUnderTest& s, double h) { s.camera.t_near += h; });
  if (scene.camera.t_far < 1e300) {
    add("t_far", HP_SUM_T_FAR, voxels, [](SceneUnderTest& s, double h) { s.camera.t_far += h; });
  }
  add("dt", HP_SUM_DT, 0.02 * voxels, [](SceneUnderTest& s, double h) { s.desc.dt += h; });
  add("sigma scale", HP_SUM_SIGMA_SCALE, 1e-3, [](SceneUnderTest& s, double h) { s.sigma_scale += h; });
  for (std::size_t c = 0; c < 3; ++c) {
    const int at = static_cast<int>(c);
    add("background", HP_SUM_BACKGROUND + at, 1e-2, [c](SceneUnderTest& s, double h) { s.desc.background[c] += h; });
    if (scene.knots.empty() && scene.example->channels == 1) {
      add("colour", HP_SUM_COLOR + at, 1e-2, [c](SceneUnderTest& s, double h) { s.color[c] += h; });
    }
  }
  for (std::size_t i = 0; i < scene.knots.size(); ++i) {
    add("knot densities", HP_SUM_KNOT_DENSITY + static_cast<int>(i), 1e-4,
        [i](SceneUnderTest& s, double h) { s.knots[i] += h; });
  }
  for (std::size_t i = 0; i < scene.knot_rgb.size(); ++i) {
    add("knot colours", HP_SUM_KNOT_RGB + static_cast<int>(i), 1e-2,
        [i](SceneUnderTest& s, double h) { s.knot_rgb[i] += h; });
  }
  return all;
}

// The step of a camera's parameter that moves no place on a ray, as far as the field reaches, by more than `distance`.
double StepOf(const HpContext& context, const SceneUnderTest& scene, const Parameter& parameter, double distance) {
  const double probe = 1e-6, reach = 3.5 * scene.example->radius;
  SceneUnderTest moved = scene;
  parameter.move(moved, probe);
  const auto a = CameraRays<double>(context, MakePlan(context, scene.Desc(HP_PRECISION_F64)), scene.Whole());
  const auto b = CameraRays<double>(context, MakePlan(context, moved.Desc(HP_PRECISION_F64)), scene.Whole());
  double most = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.size()); ++i) {
    const Vec3 v = (b.Origin(i) + reach * b.Direction(i)) - (a.Origin(i) + reach * a.Direction(i));
    most = std::max(most, std::sqrt(Dot(v, v)));
  }
  return most > 0 ? std::min(probe * distance / most, 1e-2) : 1e-2;
}

double Sum(const std::vector<double>& losses) {
  double sum = 0;
  for (double l : losses) sum += l;
  return sum;
}

}  // namespace

TEST_CASE("CameraAndSceneGradientsAreTheSlopesOfTheForward", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  const std::vector<FieldExample> examples = GradientExamples();
  Evaluator evaluator(context);
  Verdicts verdicts;
  for (const SceneUnderTest& scene : PairwiseScenes(examples)) {
    INFO(scene.name);
    const HpAdjoint<double> adjoint =
        HpAdjoint<double>::Random(scene.camera.height, scene.camera.width, scene.inputs, 11 + scene.name.size());
    const Evaluation at = evaluator.Camera(scene);
    const auto backward = [&](const HpAdjoint<double>& of) {
      return BackwardFused<double>(context, MakePlan(context, scene.Desc(HP_PRECISION_F64)),
                                   scene.Place(evaluator.FieldOf(scene)), scene.Whole(), of, kFineExponent, false);
    };
    const HpSums whole = backward(adjoint).sums;
    std::map<std::string, double> group_norm;
    const std::vector<Parameter> parameters = ParametersOf(scene);
    for (const Parameter& p : parameters) group_norm[p.group] = std::hypot(group_norm[p.group], whole[p.sum]);
    for (const Parameter& p : parameters) {
      const double step = p.step > 0 ? p.step : StepOf(context, scene, p, 1e-4 * scene.example->voxel);
      Differences differences(step);
      std::vector<bool> muted(at.rays.size(), false);
      std::array<std::vector<double>, 6> losses;
      for (std::size_t n = 0; n < 6; ++n) {
        SceneUnderTest moved = scene;
        p.move(moved, differences.Offset(n));
        const Evaluation there = evaluator.Camera(moved);
        losses[n] = adjoint.Losses(there.image);
        for (std::size_t i = 0; i < muted.size(); ++i) muted[i] = muted[i] || there.rays[i].bits != at.rays[i].bits;
      }
      HpAdjoint<double> heard = adjoint;
      std::size_t silent = 0;
      for (std::size_t i = 0; i < muted.size(); ++i) {
        if (!muted[i]) continue;
        heard.Mute(i);
        ++silent;
        for (auto& l : losses) l[i] = 0;
      }
      double magnitude = 0;
      for (double l : losses[0]) magnitude += std::fabs(l);
      for (std::size_t n = 0; n < 6; ++n) differences.Set(n, Sum(losses[n]));
      const double gradient = silent ? backward(heard).sums[p.sum] : whole[p.sum];
      INFO(p.group << " " << p.sum << ", step " << step << ", " << silent << " rays left out");
      const std::string fault = verdicts.Judge(p.group, differences, gradient, group_norm[p.group], magnitude);
      CHECK(fault == "");
      verdicts.CountRays(static_cast<std::int64_t>(muted.size()), static_cast<std::int64_t>(silent));
    }
  }
  verdicts.CheckThatMostWasCompared();
  for (const char* group : {"pose", "intrinsics", "distortion", "ortho scale", "t_near", "t_far", "dt", "sigma scale",
                            "background", "colour", "knot densities", "knot colours"}) {
    INFO(group);
    CHECK(verdicts.NonZero(group) > 10);
  }
  if (std::getenv("DVREN_GRADCHECK_FIGURES")) WARN(verdicts.Figures());
}

TEST_CASE("FieldValueGradientsAreTheSlopesOfTheForward", "[gradcheck]") {
  const HpContext context(HP_ISA_AUTO, 1);
  const std::vector<FieldExample> examples = GradientExamples();
  Evaluator evaluator(context);
  Verdicts verdicts;
  std::size_t on_zeros = 0;
  int number = 0;
  for (const SceneUnderTest& scene : PairwiseScenes(examples)) {
    INFO(scene.name);
    if (number++ % 2) continue;  // every field meets every input all the same
    const FieldExample& example = *scene.example;
    const HpAdjoint<double> adjoint =
        HpAdjoint<double>::Random(scene.camera.height, scene.camera.width, scene.inputs, 23 + scene.name.size());
    const Evaluation at = evaluator.Camera(scene);
    const auto backward = [&](const HpAdjoint<double>& of) {
      return BackwardFused<double>(context, MakePlan(context, scene.Desc(HP_PRECISION_F64)),
                                   scene.Place(evaluator.FieldOf(scene)), scene.Whole(), of)
          .values;
    };
    const std::vector<double> whole = backward(adjoint);
    REQUIRE(whole.size() == scene.values.size());
    const auto channels = static_cast<std::size_t>(example.channels);
    const double step = 0x1p-8;
    TestRandom random(41);
    std::vector<std::vector<double>> directions;
    for (int n = 0; n < 2; ++n) {
      std::vector<double> d(whole.size(), 0);
      for (std::size_t i = 0; i < d.size(); ++i) {
        const bool density = i % channels == channels - 1;
        const double v = scene.values[i], u = 0.5 * (random.Below(5) - 2);
        d[i] = density && example.nonnegative && v < step ? 0 : u;
      }
      directions.push_back(std::move(d));
    }
    // Single values: the ones that matter most, one at random, and a density of 0 (one-sided).
    std::vector<std::size_t> order(whole.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return std::fabs(whole[a]) > std::fabs(whole[b]); });
    auto zero_density = [&](std::size_t i) {
      return i % channels == channels - 1 && example.nonnegative && scene.values[i] < step;
    };
    std::vector<std::size_t> singles;
    for (std::size_t i : order) {
      if (!zero_density(i) && singles.size() < 2) singles.push_back(i);
    }
    if (example.size[0] >
        0) {  // (A leaf's edge is in its neighbours, too, which may be empty: no gradient from there.)
      for (std::size_t i : order) {
        if (!zero_density(i) || whole[i] == 0) continue;
        singles.push_back(i);
        break;
      }
    }
    for (std::size_t i : singles) {
      std::vector<double> d(whole.size(), 0);
      d[i] = 1;
      directions.push_back(std::move(d));
    }
    for (std::size_t n = 0; n < directions.size(); ++n) {
      const std::vector<double>& direction = directions[n];
      const bool one_sided = n >= 2 && zero_density(singles[n - 2]);
      on_zeros += one_sided;
      // What is stored is what was meant, rounded: the slope along what is stored is what the forward can have.
      Differences differences(step, one_sided);
      std::vector<bool> muted(at.rays.size(), false);
      std::array<std::vector<double>, 6> losses;
      std::array<std::vector<double>, 6> moves;
      for (std::size_t k = 0; k < 6; ++k) {
        SceneUnderTest moved = scene;
        moved.values_moved = true;
        moves[k].assign(whole.size(), 0);
        for (std::size_t i = 0; i < whole.size(); ++i) {
          if (direction[i] == 0) continue;
          moved.values[i] = static_cast<float>(scene.values[i] + differences.Offset(k) * direction[i]);
          moves[k][i] = static_cast<double>(moved.values[i]) - static_cast<double>(scene.values[i]);
        }
        const Evaluation there = evaluator.Camera(moved);
        losses[k] = adjoint.Losses(there.image);
        for (std::size_t i = 0; i < muted.size(); ++i) muted[i] = muted[i] || there.rays[i].bits != at.rays[i].bits;
      }
      HpAdjoint<double> heard = adjoint;
      std::size_t silent = 0;
      for (std::size_t i = 0; i < muted.size(); ++i) {
        if (!muted[i]) continue;
        heard.Mute(i);
        ++silent;
        for (auto& l : losses) l[i] = 0;
      }
      const std::vector<double> gradient = silent ? backward(heard) : whole;
      std::vector<double> base = adjoint.Losses(at.image);
      double magnitude = 0, along = 0, norm = 0;
      for (std::size_t i = 0; i < base.size(); ++i) {
        if (muted[i]) base[i] = 0;
        magnitude += std::fabs(base[i]);
      }
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        along += gradient[i] * direction[i];
        norm += gradient[i] * gradient[i] * direction[i] * direction[i];
      }
      for (std::size_t k = 0; k < 6; ++k) {
        double rounding = 0;  // first-order effect of how far what is stored is from what was meant
        for (std::size_t i = 0; i < gradient.size(); ++i) {
          if (direction[i] != 0) rounding += gradient[i] * (moves[k][i] - differences.Offset(k) * direction[i]);
        }
        differences.Set(k, Sum(losses[k]) - rounding);
      }
      differences.SetBase(Sum(base));
      INFO("direction " << n << (one_sided ? ", one-sided" : "") << ", " << silent << " rays left out");
      CHECK(verdicts.Judge(n < 2 ? "directions" : "single values", differences, along, std::sqrt(norm), magnitude) ==
            "");
      verdicts.CountRays(static_cast<std::int64_t>(muted.size()), static_cast<std::int64_t>(silent));
    }
  }
  verdicts.CheckThatMostWasCompared();
  CHECK(on_zeros > 5);
  CHECK(verdicts.NonZero("directions") > 50);
  CHECK(verdicts.NonZero("single values") > 50);
  if (std::getenv("DVREN_GRADCHECK_FIGURES")) WARN(verdicts.Figures());
}

}  // namespace dvren::test
