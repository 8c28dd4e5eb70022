// Launches: that every op of the C ABI launches what its name says, that the grid covers each item once, and that a
// context's memory keeps to its budget.
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "backends/cuda/launch_counts.h"
#include "support/hp_fixture.h"
#include "support/hp_gradients.h"

namespace dvren::test {
namespace {

using hp::cuda::LaunchCounts;

const HpContext& Context() {
  static const HpContext context(kCuda);
  return context;
}

// What `call` launched: names and how often.
template <class Call>
std::map<std::string, std::int64_t> LaunchesOf(Call call) {
  const auto before = LaunchCounts();
  call();
  std::map<std::string, std::int64_t> some;
  for (const auto& [name, count] : LaunchCounts()) {
    const auto it = before.find(name);
    const std::int64_t more = count - (it == before.end() ? 0 : it->second);
    if (more != 0) some[name] = more;
  }
  return some;
}
using Launches = std::map<std::string, std::int64_t>;

DenseGrid Grid(std::int64_t channels) {
  DenseGrid grid;
  grid.nz = 9, grid.ny = 10, grid.nx = 11, grid.channels = channels;
  TestRandom random(3);
  for (std::int64_t i = 0; i < grid.nz * grid.ny * grid.nx * channels; ++i) {
    grid.values.push_back(static_cast<float>(random.Uniform(0, 2)));
  }
  return grid;
}

}  // namespace

TEST_CASE("EveryOpLaunchesItsKernel", "[launch]") {
  const HpContext& context = Context();
  hp_stream* stream = context.stream();
  const HpField field = MakeField(context, Grid(4));
  const hp_instance instance = InstanceOf(field);
  const hp_camera camera = PinholeCamera(13, 9, 12, LookAt({0.4, 0.5, -1.5}, {0.5, 0.5, 0.5}));
  const hp_roi roi = {0, 0, 13, 9};
  std::set<std::string> covered = {"graph"};  // graph_test.cpp has its own
  auto expect = [&](const char* op, const Launches& got, const Launches& wanted) {
    INFO(op);
    CHECK(got == wanted);
    for (const auto& [name, count] : wanted) covered.insert(name);
  };
  for (const hp_precision precision : {HP_PRECISION_F32, HP_PRECISION_F64}) {
    hp_plan_desc desc = PlanDesc(&camera, 0.05);
    desc.precision = precision;
    const HpPlan plan = MakePlan(context, desc);
    auto run = [&](auto real) {
      using Real = decltype(real);
      HpRays<Real> rays;
      expect("hp_ray", LaunchesOf([&] { rays = CameraRays<Real>(context, plan, roi); }), {{"ray", 1}});
      const hp_rays_t given = rays.View();
      std::int64_t most = 0;
      expect("hp_samp_max_count",
             LaunchesOf([&] { HpCheck(hp_samp_max_count(stream, plan.get(), &instance, 1, &given, &most)); }),
             {{"max_count", 1}});
      const HpSamples<Real> samples(rays.size(), most);
      const hp_samp_t stored = samples.View();
      expect("hp_samp", LaunchesOf([&] {
               HpCheck(hp_samp(stream, plan.get(), &instance, 1, &given, &stored, NoTensor(), NoWorkspace()));
             }),
             {{"max_count", 1}, {"sample", 1}});
      const HpIntegrals<Real> integrals(rays.size());
      const hp_intl_t made = integrals.View();
      expect("hp_int",
             LaunchesOf([&] { HpCheck(hp_int(stream, plan.get(), &stored, &made, NoTensor(), NoWorkspace())); }),
             {{"integrate", 1}});
      HpImage<Real> image(9, 13);
      const hp_img_t view = image.View();
      expect("hp_img", LaunchesOf([&] { HpCheck(hp_img(stream, plan.get(), &made, &view, NoWorkspace())); }),
             {{"compose", 1}});
      expect("hp_samp_int_fused", LaunchesOf([&] {
               HpCheck(
                   hp_samp_int_fused(stream, plan.get(), &instance, 1, nullptr, roi, &view, NoTensor(), NoWorkspace()));
             }),
             {{"fused", 1}});
      const hp_tensor positions = TensorOf(rays.origins.data(), {rays.size(), 3}),
                      directions = TensorOf(rays.directions.data(), {rays.size(), 3}),
                      sigma = TensorOf(samples.sigma.data(), {rays.size()}),
                      rgb = TensorOf(samples.rgb.data(), {rays.size(), 3});
      expect("hp_field_evaluate", LaunchesOf([&] {
               HpCheck(hp_field_evaluate(stream, plan.get(), &instance, &positions, &directions, &sigma, &rgb,
                                         NoWorkspace()));
             }),
             {{"evaluate", 1}});
      HpGradient gradient(context, field);
      const auto adjoint = HpAdjoint<Real>::Random(9, 13, kOfAllButDistortion, 5);
      HpSums sums;
      auto fused_backward = [&](std::uint32_t wanted) {
        hp_grads_t g = NoGradients();
        adjoint.Fill(g);
        g.wanted = wanted;
        if (wanted) g.sums = sums.Tensor();
        g.values = gradient.get();
        HpCheck(hp_samp_int_fused_backward(stream, plan.get(), &instance, 1, nullptr, roi, &view, &g, NoTensor(),
                                           NoWorkspace()));
      };
      HpCheck(hp_samp_int_fused(stream, plan.get(), &instance, 1, nullptr, roi, &view, NoTensor(), NoWorkspace()));
      expect("hp_samp_int_fused_backward", LaunchesOf([&] { fused_backward(0); }), {{"backward", 1}});
      expect("hp_samp_int_fused_backward, sums", LaunchesOf([&] { fused_backward(kWantScene | kWantCamera); }),
             {{"backward", 1}, {"fold", 1}});
      expect("hp_samp_int_fused_backward, step", LaunchesOf([&] { fused_backward(kWantStep); }),
             {{"backward", 1}, {"step_rays", 1}, {"step", 1}, {"fold", 1}});
      const HpSampleGrads<Real> d_samples(samples.rays, samples.capacity);
      const hp_samp_grads_t d = d_samples.View();
      hp_grads_t g = NoGradients();
      adjoint.Fill(g);
      expect("hp_diff", LaunchesOf([&] {
               HpCheck(hp_diff(stream, plan.get(), &stored, &made, &g, &d, NoTensor(), NoWorkspace()));
             }),
             {{"diff", 1}});
      g = NoGradients();
      HpRayGrads<Real> d_rays(rays.size());
      d_rays.Fill(g, 0, rays.size());
      g.values = gradient.get();
      expect("hp_samp_backward", LaunchesOf([&] {
               HpCheck(hp_samp_backward(stream, plan.get(), &instance, 1, &given, &d, &g, NoTensor(), NoWorkspace()));
             }),
             {{"max_count", 1}, {"sample_backward", 1}});
      g.values = nullptr;
      g.wanted = kWantCamera;
      g.sums = sums.Tensor();
      expect("hp_ray_backward",
             LaunchesOf([&] { HpCheck(hp_ray_backward(stream, plan.get(), roi, &g, NoTensor(), NoWorkspace())); }),
             {{"ray_backward", 1}, {"fold", 1}});
    };
    if (precision == HP_PRECISION_F32) {
      run(float{});
    } else {
      run(double{});
    }
  }

  HpField masked = MakeField(context, Grid(4));
  HpGradient gradient(context, masked);
  expect("hp_gradient_zero", LaunchesOf([&] { gradient.Zero(-30); }), {{"zero", 1}});
  const std::vector<float> ones(static_cast<std::size_t>(9 * 10 * 11 * 4), 1.0f);
  const hp_tensor values = TensorOf(ones.data(), {9, 10, 11, 4});
  expect("hp_gradient_write", LaunchesOf([&] { HpCheck(hp_gradient_write(stream, gradient.get(), -30, &values)); }),
         {{"zero", 1}, {"write", 1}});
  expect("hp_gradient_read", LaunchesOf([&] { (void)gradient.Read<float>(); }), {{"read", 1}});
  for (const hp_update_rule rule : {HP_UPDATE_SGD, HP_UPDATE_ADAM, HP_UPDATE_RMSPROP}) {
    hp_moments* moments = nullptr;
    HpCheck(hp_moments_create(stream, masked.get(), rule, &moments));
    hp_update_desc update = {};
    HP_INIT(update);
    update.rule = rule;
    update.step = 1;
    update.epsilon = 1e-8;
    expect("hp_update_field", LaunchesOf([&] {
             HpCheck(hp_update_field(stream, masked.get(), gradient.get(), moments, &update, nullptr));
           }),
           {{"update", 1}});
    hp_moments_destroy(moments);
  }
  const double weights[4] = {1e-3, 1e-3, 1e-3, 1e-3};
  expect("hp_smooth_gradient",
         LaunchesOf([&] { HpCheck(hp_smooth_gradient(stream, masked.get(), gradient.get(), weights)); }),
         {{"smooth", 1}});
  expect("hp_gradient_get_info without additions", LaunchesOf([&] { (void)gradient.Info(); }), {});
  const std::vector<std::uint8_t> cells(9 * 10 * 11, 1 | 128);
  hp_mask_desc mask = {};
  HP_INIT(mask);
  mask.cells = TensorOf(cells.data(), {9, 10, 11});
  mask.seen_weight = 0.01;
  HpCheck(hp_field_set_mask(stream, masked.get(), &mask));
  hp_mask_refinement refinement = {};
  HP_INIT(refinement);
  refinement.density = 0.5;
  refinement.seen_window = 2;
  expect("hp_field_refine_mask",
         LaunchesOf([&] { HpCheck(hp_field_refine_mask(stream, masked.get(), &refinement, nullptr)); }),
         {{"mask_age", 1}, {"mask_refine", 1}, {"mask_bits", 1}});
  // Looks at a gradient's range once after additions.
  const HpPlan plan = MakePlan(context, PlanDesc(&camera, 0.05));
  HpImage<float> forward = RenderFused<float>(context, plan, InstanceOf(masked), roi);
  HpSums sums;
  HpCounters counters{};
  AddBackwardFused<float>(context, plan, InstanceOf(masked), roi, forward, HpAdjoint<float>::Random(9, 13, kOfRgb, 1),
                          0, gradient.get(), sums, counters);
  expect("hp_gradient_get_info", LaunchesOf([&] { (void)gradient.Info(); }), {{"check", 1}});
  expect("hp_gradient_get_info again", LaunchesOf([&] { (void)gradient.Info(); }), {});
  // Every launch of this process has a name that was asked for here.
  for (const auto& [name, count] : LaunchCounts()) {
    INFO(name);
    CHECK(covered.count(name) == 1);
  }
}

TEST_CASE("LaunchesCoverEveryItemOnce", "[launch]") {
  // Sizes around those of blocks (8x16 pixels, 128 rays): each pixel and ray is counted once and written.
  const HpContext& context = Context();
  const HpField field = MakeField(context, UniformGrid(1));
  const hp_instance instance = InstanceOf(field);
  for (const int width : {1, 7, 8, 9, 17}) {
    for (const int height : {1, 15, 16, 17, 33}) {
      const hp_camera camera = PinholeCamera(width, height, 20, LookAt({0.4, 0.5, -1.5}, {0.5, 0.5, 0.5}));
      const HpPlan plan = MakePlan(context, PlanDesc(&camera, 0.25));
      const HpImage<float> image = RenderFused<float>(context, plan, instance, {0, 0, width, height});
      INFO(width << " x " << height);
      CHECK(image.counters[HP_COUNTER_RAYS] == width * height);
      for (const float v : image.opacity) CHECK(v >= 0);
    }
  }
  for (const int count : {1, 127, 128, 129, 300}) {
    const HpPlan plan = MakePlan(context, PlanDesc(nullptr, 0.25));
    HpRays<float> rays;
    for (int i = 0; i < count; ++i) rays.Add({0.5, 0.5, -1}, {0, 0, 1});
    const HpImage<float> image = RenderRays<float>(context, plan, instance, rays);
    INFO(count << " rays");
    CHECK(image.counters[HP_COUNTER_RAYS] == count);
    for (const float v : image.opacity) CHECK(v == Approx(1 - std::exp(-1.0)));
  }
}

TEST_CASE("MemoryKeepsToItsBudgetAndItsMarkStaysHigh", "[launch]") {
  hp_ctx_desc desc = {};
  HP_INIT(desc);
  desc.device = HP_DEVICE_CUDA;
  desc.memory_budget_bytes = std::uint64_t{256} << 20;
  hp_ctx* ctx = nullptr;
  hp_stream* stream = nullptr;
  HpCheck(hp_ctx_create(&desc, &ctx));
  HpCheck(hp_stream_create(ctx, &stream));
  void* some = nullptr;
  void* more = nullptr;
  HpCheck(hp_memory_allocate(stream, std::size_t{100} << 20, &some));
  CHECK(hp_memory_allocate(stream, std::size_t{300} << 20, &more) == HP_STATUS_OUT_OF_MEMORY);
  CHECK(std::string(hp_last_error()).find("314572800 bytes") != std::string::npos);
  CHECK(more == nullptr);
  HpCheck(hp_memory_free(stream, some));
  HpCheck(hp_stream_synchronize(stream));
  hp_ctx_info info = {};
  HP_INIT(info);
  HpCheck(hp_ctx_get_info(ctx, &info));
  CHECK(info.memory_used_bytes < std::uint64_t{100} << 20);
  CHECK(info.memory_peak_bytes >= std::uint64_t{100} << 20);
  CHECK(info.multiprocessors >= 1);
  // What did not fit has done no harm.
  HpCheck(hp_memory_allocate(stream, std::size_t{100} << 20, &some));
  HpCheck(hp_memory_free(stream, some));
  hp_stream_destroy(stream);
  hp_ctx_destroy(ctx);
}

TEST_CASE("CpuSettingsOfACudaContextAreRefused", "[launch]") {
  hp_ctx_desc desc = {};
  HP_INIT(desc);
  desc.device = HP_DEVICE_CUDA;
  hp_ctx* ctx = nullptr;
  desc.threads = 2;
  CHECK(hp_ctx_create(&desc, &ctx) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(std::string(hp_last_error()).find("threads = 2") != std::string::npos);
  desc.threads = 0;
  desc.device_index = 1000;
  CHECK(hp_ctx_create(&desc, &ctx) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(std::string(hp_last_error()).find("device_index = 1000") != std::string::npos);
  CHECK(ctx == nullptr);
}

}  // namespace dvren::test
