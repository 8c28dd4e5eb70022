// The same bits, however a render is cut and wherever it runs: every registered field and sampler, awkward cameras,
// every instruction set, threads, tiles, regions, batches of rays, staged and fused, skipping and not.
#include <catch2/catch.hpp>
#include <map>
#include <memory>

#include "conformance/field_examples.h"
#include "support/hp_fixture.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

// Contexts live as long as the test program: threads are not made anew for each render.
const HpContext& ContextOf(hp_isa isa, int threads) {
  static std::map<std::pair<int, int>, std::unique_ptr<HpContext>> all;
  auto& context = all[{isa, threads}];
  if (!context) context = std::make_unique<HpContext>(isa, threads);
  return *context;
}

constexpr int kThreads[] = {1, 2, 3, 8};
constexpr int kTiles[] = {16, 1, 3, 7, 64, 5};

// A field in every context.
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
  const double far_t = field.unbounded ? 5 * r : kInf;
  std::vector<View> views;
  auto add = [&](const char* name, hp_camera camera) {
    if (field.unbounded && !(camera.t_far < 1e6 * r)) camera.t_far = far_t;
    views.push_back({name, camera});
  };
  add("pinhole of an odd size", PinholeCamera(37, 23, 30, from({1, 0.6, -1.4}, 2.2 * r)));
  hp_camera inside = PinholeCamera(19, 26, 12, from({0.3, 0.2, 1}, 0.1 * r));
  inside.t_near = 0.013 * r;
  inside.t_far = 0.9 * r;
  add("inside the box", inside);
  hp_camera lens = PinholeCamera(33, 31, 24, from({-1, 0.1, 0.2}, 1.9 * r));
  lens.cx = 15.1;
  lens.fy = 27;
  const double brown[5] = {-0.25, 0.06, 0.003, -0.002, 0.01};
  std::copy(std::begin(brown), std::end(brown), lens.distortion);
  add("Brown-Conrady", lens);
  hp_camera fisheye = PinholeCamera(29, 29, 4.5, from({0.2, -1, 0.3}, 0.8 * r));  // wider than the lens maps
  fisheye.model = HP_CAMERA_FISHEYE;
  const double kannala[4] = {-0.02, 0.004, 0.001, -0.0002};
  std::copy(std::begin(kannala), std::end(kannala), fisheye.distortion);
  add("fisheye beyond its lens", fisheye);
  // Axis-parallel rays: exact zeros in the direction, positions on whole voxels.
  hp_affine straight = Identity();
  for (std::size_t i = 0; i < 3; ++i) straight.m[4 * i + 3] = std::round(c[i]);
  straight.m[11] = c[2] - 2 * r;
  add("orthographic, parallel to an axis", OrthographicCamera(32, 32, 2 * r, straight));
  hp_affine sideways = {{0, 0, -1, c[0] + 2 * r, 1, 0, 0, c[1], 0, -1, 0, c[2]}};
  add("orthographic, along -x", OrthographicCamera(17, 21, 1.1 * r, sideways));
  add("from 10^4 voxels away",
      PinholeCamera(31, 17, 1e4 * field.voxel / r * 14, from({1, 0.7, 0.4}, 1e4 * field.voxel)));
  add("one pixel", PinholeCamera(1, 1, 1, from({0, 0.1, 1}, 1.5 * r)));
  add("a row of pixels", PinholeCamera(53, 1, 30, from({0, 0.1, 1}, 1.5 * r)));
  return views;
}

struct Setting {
  hp_sampling sampling;
  double early_stop, dt_voxels;
  std::int64_t max_steps;
};

std::vector<Setting> Settings() {
  std::vector<Setting> settings;
  for (const auto& sampler : Samplers()) {
    settings.push_back({sampler.sampling, 0, 0.61, 1 << 20});
    settings.push_back({sampler.sampling, 0.02, 0.27, 1 << 20});
    settings.push_back({sampler.sampling, 0, 0.4, 11});
    settings.push_back({sampler.sampling, 0.2, 2.3, 6});
  }
  return settings;
}

hp_plan_desc DescOf(const View& view, const FieldExample& field, const Setting& setting) {
  hp_plan_desc desc = PlanDesc(&view.camera, setting.dt_voxels * field.voxel);
  desc.sampling = setting.sampling;
  desc.early_stop = setting.early_stop;
  desc.max_steps = setting.max_steps;
  desc.seed = 0xfeedfacecafef00dull;
  desc.background[0] = 0.2, desc.background[1] = -1, desc.background[2] = 3;
  return desc;
}

// The whole image from pieces of it, written into windows of one picture.
template <class Real>
HpImage<Real> RenderPieces(const HpContext& context, const HpPlan& plan, const hp_instance& instance, int width,
                           int height) {
  HpImage<Real> image(height, width);
  const int xs[] = {0, std::min(1, width), std::min(11, width), width}, ys[] = {0, std::min(5, height), height};
  for (int j = 0; j + 1 < 3; ++j) {
    for (int i = 0; i + 1 < 4; ++i) {
      const hp_roi roi = {xs[i], ys[j], xs[i + 1] - xs[i], ys[j + 1] - ys[j]};
      if (roi.width == 0 || roi.height == 0) continue;
      const hp_img_t view = image.View(roi.x, roi.y, roi.height, roi.width);
      HpCheck(hp_samp_int_fused(context.stream(), plan.get(), &instance, 1, nullptr, roi, &view, image.CounterTensor(),
                                NoWorkspace()));
    }
  }
  return image;
}

// A row of pixels as the picture that it is.
template <class Real>
HpImage<Real> Reshaped(HpImage<Real> row, int width, int height) {
  row.width = width;
  row.height = height;
  return row;
}

// Counters that do not depend on how a render is cut.
std::string CounterDifference(const HpCounters& a, const HpCounters& b, std::initializer_list<hp_counter> which) {
  std::string text;
  for (hp_counter c : which) {
    if (a[c] != b[c])
      text += " counter " + std::to_string(c) + ": " + std::to_string(a[c]) + ", " + std::to_string(b[c]) + ";";
  }
  return text;
}

struct Tally {
  std::int64_t compared = 0;
  double brightest = 0;
};

// Every way to render one picture in one precision; the first is the reference.
template <class Real>
void CompareAllWays(const FieldExample& example, FieldEverywhere& field, const View& view, const Setting& setting,
                    const std::vector<hp_isa>& isas, int salt, Tally& tally) {
  const int width = view.camera.width, height = view.camera.height;
  const hp_roi whole = {0, 0, width, height};
  hp_plan_desc desc = DescOf(view, example, setting);
  desc.precision = PrecisionOf<Real>();
  const HpContext& first = ContextOf(HP_ISA_SCALAR, 1);
  const HpImage<Real> reference = RenderFused<Real>(first, MakePlan(first, desc), field.In(first), whole);
  for (Real v : reference.opacity) tally.brightest = std::max(tally.brightest, static_cast<double>(v));
  const auto all = {HP_COUNTER_RAYS, HP_COUNTER_SAMPLES, HP_COUNTER_EARLY_STOPPED, HP_COUNTER_TRUNCATED,
                    HP_COUNTER_INVALID};
  const auto of_rays = {HP_COUNTER_RAYS, HP_COUNTER_SAMPLES, HP_COUNTER_EARLY_STOPPED, HP_COUNTER_TRUNCATED};
  const auto but_samples = {HP_COUNTER_RAYS, HP_COUNTER_EARLY_STOPPED, HP_COUNTER_TRUNCATED, HP_COUNTER_INVALID};
  auto expect = [&](const HpImage<Real>& image, const std::string& way, std::initializer_list<hp_counter> counters) {
    const std::string pixels = Difference(reference, image),
                      counts = CounterDifference(reference.counters, image.counters, counters);
    ++tally.compared;
    if (pixels.empty() && counts.empty()) return;
    FAIL_CHECK(example.name << " | " << view.name << " | sampling " << setting.sampling << ", early stop "
                            << setting.early_stop << ", dt " << setting.dt_voxels << " voxels, max steps "
                            << setting.max_steps << " | " << (sizeof(Real) == 8 ? "f64 " : "f32 ") << way << ": "
                            << pixels << counts);
  };

  for (hp_isa isa : isas) {
    for (int threads : kThreads) {
      const HpContext& context = ContextOf(isa, threads);
      const hp_instance instance = field.In(context);
      desc.skip_empty = 1;
      desc.tile = kTiles[static_cast<std::size_t>(salt++) % std::size(kTiles)];
      const std::string where = context.name() + ", tile " + std::to_string(desc.tile);
      expect(RenderFused<Real>(context, MakePlan(context, desc), instance, whole), where, all);
    }
    const HpContext& context = ContextOf(isa, kThreads[static_cast<std::size_t>(salt++) % std::size(kThreads)]);
    const hp_instance instance = field.In(context);
    const std::string where = context.name();
    desc.skip_empty = 0;
    const HpImage<Real> unskipped = RenderFused<Real>(context, MakePlan(context, desc), instance, whole);
    expect(unskipped, where + ", nothing skipped", but_samples);
    desc.skip_empty = 1;
    const HpPlan plan = MakePlan(context, desc);
    // Not asked for distortion, which is another kernel.
    HpImage<Real> plain(height, width);
    hp_img_t plain_view = plain.View();
    plain_view.distortion = NoTensor();
    HpCheck(hp_samp_int_fused(context.stream(), plan.get(), &instance, 1, nullptr, whole, &plain_view,
                              plain.CounterTensor(), NoWorkspace()));
    plain.distortion = reference.distortion;
    expect(plain, where + ", without distortion", all);
    expect(RenderPieces<Real>(context, plan, instance, width, height), where + ", in pieces", all);

    HpCounters counters{};
    const HpRays<Real> rays = CameraRays<Real>(context, plan, whole, &counters);
    CHECK(counters[HP_COUNTER_INVALID] == reference.counters[HP_COUNTER_INVALID]);
    const std::int64_t batches[] = {0, 33, 255, 257, 7, 1};
    for (int n = 0; n < 2; ++n) {
      const std::int64_t batch = batches[static_cast<std::size_t>(salt++) % std::size(batches)];
      expect(Reshaped(RenderRays<Real>(context, plan, instance, rays, batch), width, height),
             where + ", rays by " + std::to_string(batch), of_rays);
    }
    HpImage<Real> staged = RenderStaged<Real>(context, plan, instance, rays, height, width);
    expect(staged, where + ", staged", {HP_COUNTER_RAYS});
    if (setting.early_stop == 0) {
      const std::string counts =
          CounterDifference(staged.counters, unskipped.counters, {HP_COUNTER_SAMPLES, HP_COUNTER_TRUNCATED});
      INFO(example.name << " | " << view.name << ": staged against unskipped" << counts);
      CHECK(counts.empty());
    }
  }
}

template <class Real>
Tally CompareEverything(const std::vector<hp_isa>& isas, const std::string& type, std::size_t settings_per_view) {
  Tally tally;
  int salt = 0;
  const std::vector<Setting> settings = Settings();
  for (const FieldExample& example : FieldExamples()) {
    if (example.name.rfind(type, 0) != 0) continue;
    FieldEverywhere field(example);
    double brightest = 0;
    for (const View& view : Views(example)) {
      for (std::size_t n = 0; n < settings_per_view; ++n) {
        // Neighbouring views take different settings, so that all meet all over the examples.
        const Setting& setting = settings[(static_cast<std::size_t>(salt) + n * 3) % settings.size()];
        tally.brightest = 0;
        CompareAllWays<Real>(example, field, view, setting, isas, salt, tally);
        brightest = std::max(brightest, tally.brightest);
      }
      ++salt;
    }
    INFO(example.name);
    CHECK(brightest > 0.3);  // pictures of nothing prove nothing
  }
  return tally;
}

}  // namespace

TEST_CASE("EveryRegisteredSamplerMakesAPlan", "[same_bits]") {
  const HpContext& context = ContextOf(HP_ISA_SCALAR, 1);
  REQUIRE(Samplers().size() >= 2);
  for (const auto& sampler : Samplers()) {
    hp_plan_desc desc = PlanDesc(nullptr, 1);
    desc.sampling = sampler.sampling;
    INFO(sampler.name);
    CHECK_NOTHROW(MakePlan(context, desc));
  }
}

TEST_CASE("DenseGridsRenderTheSameBitsEveryWay", "[same_bits]") {
  const Tally tally = CompareEverything<float>(AvailableIsas(), "dense_grid", 2);
  CHECK(tally.compared > 1000);
}

TEST_CASE("NanoVdbRendersTheSameBitsEveryWay", "[same_bits]") {
  CompareEverything<float>(AvailableIsas(), "nanovdb", 4);
}

TEST_CASE("DoublePrecisionRendersTheSameBitsEveryWay", "[same_bits]") {
  const Tally tally = CompareEverything<double>(DoubleIsas(), "", 1);
  CHECK(tally.compared > 300);
}

TEST_CASE("DoublePrecisionDoesNotDependOnTheInstructionSet", "[same_bits]") {
  const std::vector<FieldExample> examples = FieldExamples();
  const FieldExample& example = examples.front();
  FieldEverywhere field(example);
  const View view = Views(example).front();
  hp_plan_desc desc = PlanDesc(&view.camera, 0.3 * example.voxel);
  desc.precision = HP_PRECISION_F64;
  const hp_roi whole = {0, 0, view.camera.width, view.camera.height};
  const HpContext& scalar = ContextOf(HP_ISA_SCALAR, 1);
  const auto reference = RenderFused<double>(scalar, MakePlan(scalar, desc), field.In(scalar), whole);
  for (hp_isa isa : AvailableIsas()) {
    const HpContext& context = ContextOf(isa, 2);
    CHECK(Difference(reference, RenderFused<double>(context, MakePlan(context, desc), field.In(context), whole)) == "");
  }
}

TEST_CASE("FieldsEvaluateToTheSameBitsOnEveryLane", "[same_bits]") {
  for (const FieldExample& example : FieldExamples()) {
    FieldEverywhere field(example);
    TestRandom random(77);
    const std::int64_t n = 777;
    std::vector<float> p, d;
    for (std::int64_t i = 0; i < n; ++i) {
      const Vec3 at = example.centre + random.Uniform(0, 1.2) * example.radius * random.Direction(),
                 towards = random.Direction();
      for (double x : at) p.push_back(static_cast<float>(x));
      for (double x : towards) d.push_back(static_cast<float>(x));
    }
    std::vector<float> reference_sigma, reference_rgb;
    for (hp_isa isa : AvailableIsas()) {
      for (int threads : {1, 3}) {
        const HpContext& context = ContextOf(isa, threads);
        const HpPlan plan = MakePlan(context, PlanDesc(nullptr, 1));
        const hp_instance instance = field.In(context);
        std::vector<float> sigma(static_cast<std::size_t>(n), -1), rgb(static_cast<std::size_t>(3 * n), -1);
        const hp_tensor tp = TensorOf(p.data(), {n, 3}), td = TensorOf(d.data(), {n, 3}),
                        ts = TensorOf(sigma.data(), {n}), tc = TensorOf(rgb.data(), {n, 3});
        HpCheck(hp_field_evaluate(context.stream(), plan.get(), &instance, &tp, &td, &ts, &tc, NoWorkspace()));
        if (reference_sigma.empty()) {
          reference_sigma = sigma;
          reference_rgb = rgb;
        }
        INFO(example.name << ", " << context.name());
        CHECK(std::memcmp(sigma.data(), reference_sigma.data(), sigma.size() * 4) == 0);
        CHECK(std::memcmp(rgb.data(), reference_rgb.data(), rgb.size() * 4) == 0);
      }
    }
  }
}

}  // namespace dvren::test
