// Gradients, the same bits wherever they are summed: every registered field and sampler, every instruction set,
// threads, tiles, regions, batches of rays, skipping and not, and again.
#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <memory>

#include "conformance/field_examples.h"
#include "support/hp_fixture.h"
#include "support/hp_gradients.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

// Contexts live as long as the test program: threads are not made anew for each pass.
const HpContext& ContextOf(hp_isa isa, int threads) {
  static std::map<std::pair<int, int>, std::unique_ptr<HpContext>> all;
  auto& context = all[{isa, threads}];
  if (!context) context = std::make_unique<HpContext>(isa, threads);
  return *context;
}

class FieldEverywhere {
 public:
  explicit FieldEverywhere(const FieldExample& example) : example_(example) {}
  hp_instance In(const HpContext& context) {
    auto it = fields_.find(&context);
    if (it == fields_.end()) it = fields_.emplace(&context, example_.make(context)).first;
    return example_.Place(it->second);
  }

 private:
  const FieldExample& example_;
  std::map<const HpContext*, HpField> fields_;
};

struct View {
  std::string name;
  hp_camera camera;
};

std::vector<View> Views(const FieldExample& field) {
  const Vec3 c = field.centre;
  const double r = field.radius;
  auto from = [&](const Vec3& direction, double distance) {
    return LookAt(c + distance * Normalised(direction), c, {0.1, -1, 0.3});
  };
  std::vector<View> views;
  views.push_back({"pinhole of an odd size", PinholeCamera(37, 23, 30, from({1, 0.6, -1.4}, 2.2 * r))});
  hp_camera lens = PinholeCamera(26, 19, 14, from({-0.3, 0.1, 0.2}, 0.3 * r));
  const double brown[5] = {-0.25, 0.06, 0.003, -0.002, 0.01};
  std::copy(std::begin(brown), std::end(brown), lens.distortion);
  lens.t_near = 0.013 * r;
  lens.t_far = 0.9 * r;
  views.push_back({"Brown-Conrady, inside the box", lens});
  hp_camera fisheye = PinholeCamera(21, 20, 4.5, from({0.2, -1, 0.3}, 0.8 * r));  // wider than the lens maps
  fisheye.model = HP_CAMERA_FISHEYE;
  const double kannala[4] = {-0.02, 0.004, 0.001, -0.0002};
  std::copy(std::begin(kannala), std::end(kannala), fisheye.distortion);
  views.push_back({"fisheye beyond its lens", fisheye});
  hp_affine straight = Identity();  // exact zeros in the direction, positions on whole voxels
  for (std::size_t i = 0; i < 3; ++i) straight.m[4 * i + 3] = std::round(c[i]);
  straight.m[11] = c[2] - 2 * r;
  views.push_back({"orthographic, parallel to an axis", OrthographicCamera(24, 17, 2 * r, straight)});
  for (View& view : views) {
    if (field.unbounded && !(view.camera.t_far < kInf)) view.camera.t_far = 5 * r;
  }
  return views;
}

struct Setting {
  double early_stop, dt_voxels;
  std::int64_t max_steps;
};
constexpr Setting kSettings[] = {{0, 0.61, 1 << 20}, {0.02, 0.37, 1 << 20}, {0.2, 1.3, 9}};

struct Case {
  const FieldExample& example;
  FieldEverywhere& field;
  const View& view;
  hp_plan_desc desc;
  std::string name;
};

// Backward in pieces of the image, in an awkward order.
template <class Real>
HpBackward<Real> BackwardPieces(const HpContext& context, const HpPlan& plan, const hp_instance& instance,
                                const HpAdjoint<Real>& adjoint, std::int32_t exponent) {
  HpBackward<Real> result;
  const int width = adjoint.width, height = adjoint.height;
  HpImage<Real> forward = RenderFused<Real>(context, plan, instance, {0, 0, width, height});
  HpGradient values(context, instance.field, exponent);
  const int xs[] = {0, std::min(1, width), std::min(11, width), width}, ys[] = {0, std::min(5, height), height};
  for (int j = 1; j >= 0; --j) {
    for (int i = 2; i >= 0; --i) {
      const hp_roi roi = {xs[i], ys[j], xs[i + 1] - xs[i], ys[j + 1] - ys[j]};
      if (roi.width == 0 || roi.height == 0) continue;
      AddBackwardFused<Real>(context, plan, instance, roi, forward, adjoint, kWantScene | kWantCamera | kWantStep,
                             values.get(), result.sums, result.counters);
    }
  }
  result.values = values.Read();
  return result;
}

template <class Real>
void CompareAllWays(const Case& c, const std::vector<hp_isa>& isas, int salt, std::int64_t& compared) {
  hp_plan_desc desc = c.desc;
  desc.precision = PrecisionOf<Real>();
  const hp_roi whole = {0, 0, c.view.camera.width, c.view.camera.height};
  // With distortion and without it are kernels of their own.
  const auto adjoint =
      HpAdjoint<Real>::Random(whole.height, whole.width, salt % 2 ? kOfAll : kOfAllButDistortion, 1234);
  const std::int32_t exponent = hp_gradient_default_exponent(1, desc.dt, desc.precision);
  const HpContext& first = ContextOf(HP_ISA_SCALAR, 1);
  const auto reference = BackwardFused<Real>(first, MakePlan(first, desc), c.field.In(first), whole, adjoint, exponent);
  CHECK(reference.counters[HP_COUNTER_OVERFLOWED] == 0);
  // What rays give: all but the camera.
  HpBackward<Real> without_camera = reference;
  for (int sum = HP_SUM_CAMERA_TO_WORLD; sum < HP_SUM_KNOT_DENSITY; ++sum) {
    without_camera.sums.bits[static_cast<std::size_t>(2 * sum)] = 0;
    without_camera.sums.bits[static_cast<std::size_t>(2 * sum + 1)] = 0;
  }
  auto expect = [&](const HpBackward<Real>& expected, const HpBackward<Real>& got, const std::string& way) {
    const std::string difference = FirstDifference("values", expected.values, got.values) +
                                   FirstDifference("sums", expected.sums.bits, got.sums.bits);
    ++compared;
    if (difference.empty()) return;
    FAIL_CHECK(c.name << " | " << (sizeof(Real) == 8 ? "f64 " : "f32 ") << way << ": " << difference);
  };
  HpRayGrads<Real> reference_rays;
  constexpr int kThreads[] = {1, 2, 3, 8}, kTiles[] = {16, 1, 3, 7, 64, 5};
  for (hp_isa isa : isas) {
    for (int threads : kThreads) {
      const HpContext& context = ContextOf(isa, threads);
      desc.tile = kTiles[static_cast<std::size_t>(salt++) % std::size(kTiles)];
      desc.skip_empty = 1;
      expect(reference,
             BackwardFused<Real>(context, MakePlan(context, desc), c.field.In(context), whole, adjoint, exponent),
             context.name() + ", tile " + std::to_string(desc.tile));
    }
    const HpContext& context = ContextOf(isa, kThreads[static_cast<std::size_t>(salt++) % std::size(kThreads)]);
    const hp_instance instance = c.field.In(context);
    desc.skip_empty = 0;
    expect(reference, BackwardFused<Real>(context, MakePlan(context, desc), instance, whole, adjoint, exponent),
           context.name() + ", nothing skipped");
    desc.skip_empty = 1;
    const HpPlan plan = MakePlan(context, desc);
    for (int run = 0; run < 3; ++run) {
      expect(reference, BackwardFused<Real>(context, plan, instance, whole, adjoint, exponent),
             context.name() + ", run " + std::to_string(run));
    }
    expect(reference, BackwardPieces<Real>(context, plan, instance, adjoint, exponent), context.name() + ", in pieces");
    const HpRays<Real> rays = CameraRays<Real>(context, plan, whole);
    const std::int64_t batches[] = {0, 33, 255, 257, 7, 1};
    for (int n = 0; n < 2; ++n) {
      const std::int64_t batch = batches[static_cast<std::size_t>(salt++) % std::size(batches)];
      const auto got = BackwardRays<Real>(context, plan, instance, rays, adjoint, exponent, true, batch);
      const std::string way = context.name() + ", rays by " + std::to_string(batch);
      expect(without_camera, got, way);
      if (reference_rays.t_near.empty()) reference_rays = got.rays;
      const std::string difference = FirstDifference("d_origins", reference_rays.origins, got.rays.origins) +
                                     FirstDifference("d_directions", reference_rays.directions, got.rays.directions) +
                                     FirstDifference("d_t_near", reference_rays.t_near, got.rays.t_near) +
                                     FirstDifference("d_t_far", reference_rays.t_far, got.rays.t_far);
      if (!difference.empty()) FAIL_CHECK(c.name << " | " << way << ": " << difference);
    }
    auto staged = BackwardStaged<Real>(context, plan, instance, rays, adjoint, exponent, true, &whole);
    if (sizeof(Real) == 4) {  // the step's gradient comes from the stored samples there, from a double march elsewhere
      std::copy_n(reference.sums.bits.begin() + 2 * HP_SUM_DT, 2, staged.sums.bits.begin() + 2 * HP_SUM_DT);
    }
    expect(reference, staged, context.name() + ", staged");
  }
}

template <class Real>
std::int64_t CompareEverything(const std::vector<hp_isa>& isas, const std::string& type, int views_per_field) {
  std::int64_t compared = 0;
  int salt = 0;
  const auto samplers = Samplers();
  for (const FieldExample& example : FieldExamples()) {
    if (example.name.rfind(type, 0) != 0) continue;
    FieldEverywhere field(example);
    const std::vector<View> views = Views(example);
    for (int n = 0; n < views_per_field; ++n) {
      const View& view = views[static_cast<std::size_t>(salt + n) % views.size()];
      const Setting& setting = kSettings[static_cast<std::size_t>(salt) % std::size(kSettings)];
      const auto& sampler = samplers[static_cast<std::size_t>(salt / 3) % samplers.size()];
      hp_plan_desc desc = PlanDesc(&view.camera, setting.dt_voxels * example.voxel);
      desc.sampling = sampler.sampling;
      desc.seed = 0xfeedfacecafef00dull;
      desc.early_stop = setting.early_stop;
      desc.max_steps = setting.max_steps;
      desc.background[0] = 0.2, desc.background[1] = -1, desc.background[2] = 3;
      const Case c{example, field, view, desc,
                   example.name + " | " + view.name + " | " + sampler.name + ", early stop " +
                       std::to_string(setting.early_stop) + ", dt " + std::to_string(setting.dt_voxels) + " voxels"};
      CompareAllWays<Real>(c, isas, salt, compared);
      ++salt;
    }
  }
  return compared;
}

}  // namespace

TEST_CASE("GradientsOfDenseGridsAreTheSameBitsEveryWay", "[gradient_bits]") {
  CHECK(CompareEverything<float>(AvailableIsas(), "dense_grid", 2) > 300);
}

TEST_CASE("GradientsOfNanoVdbAreTheSameBitsEveryWay", "[gradient_bits]") {
  CompareEverything<float>(AvailableIsas(), "nanovdb", 3);
}

TEST_CASE("DoublePrecisionGradientsAreTheSameBitsEveryWay", "[gradient_bits]") {
  CHECK(CompareEverything<double>(DoubleIsas(), "", 1) > 150);
}

TEST_CASE("PassesThatAddToOneGradientAddUpToTheBit", "[gradient_bits]") {
  // Two views into one gradient, in either order, are the sum of both.
  const std::vector<FieldExample> examples = FieldExamples();
  const FieldExample& example = examples.front();
  const HpContext& context = ContextOf(HP_ISA_AUTO, 2);
  FieldEverywhere field(example);
  const hp_instance instance = field.In(context);
  const std::vector<View> views = Views(example);
  auto add = [&](const View& view, HpGradient& values, HpSums& sums) {
    const HpPlan plan = MakePlan(context, PlanDesc(&view.camera, 0.5 * example.voxel));
    const hp_roi whole = {0, 0, view.camera.width, view.camera.height};
    HpImage<float> forward = RenderFused<float>(context, plan, instance, whole);
    const auto adjoint = HpAdjoint<float>::Random(whole.height, whole.width, kOfAll, 3);
    HpCounters counters{};
    AddBackwardFused<float>(context, plan, instance, whole, forward, adjoint, kWantScene | kWantCamera | kWantStep,
                            values.get(), sums, counters);
  };
  HpGradient ab(context, instance.field), ba(context, instance.field), a(context, instance.field),
      b(context, instance.field);
  HpSums sums_ab, sums_ba, sums_a, sums_b;
  add(views[0], ab, sums_ab);
  add(views[1], ab, sums_ab);
  add(views[1], ba, sums_ba);
  add(views[0], ba, sums_ba);
  add(views[0], a, sums_a);
  add(views[1], b, sums_b);
  CHECK(FirstDifference("values", ab.Read(), ba.Read()) == "");
  CHECK(sums_ab.bits == sums_ba.bits);
  const std::vector<double> both = ab.Read(), one = a.Read(), other = b.Read();
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < both.size(); ++i) wrong += both[i] != one[i] + other[i];  // exact in f64 at this exponent
  CHECK(wrong == 0);
}

}  // namespace dvren::test
