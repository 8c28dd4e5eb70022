// Refusals of what gradients are asked with: every bad argument is named with its value and what would be right, and
// nothing is written.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_gradients.h"
#include "unit/hotpath/refusals.h"
#if defined(DVREN_TEST_WITH_NANOVDB)
#include "support/hp_nanovdb.h"
#endif

namespace dvren::test {
namespace {

// Gradients of the world's fields.
struct Gradients {
  HpGradient right{TheWorld().context, TheWorld().field}, clamped{TheWorld().context, TheWorld().clamped},
      foreign{TheWorld().other, TheWorld().foreign};
};
Gradients& TheGradients() {
  static Gradients gradients;
  return gradients;
}

// What every backward op is given and may write.
struct GradsCall : StageCall {
  HpSums sums;
  HpRayGrads<float> ray_storage;
  hp_grads_t g = NoGradients();
  const hp_grads_t* gradients = &g;
  GradsCall() {
    TheGradients().right.Zero(-40);
    TheGradients().clamped.Zero(-40);
    g.sums = sums.Tensor();
  }
  [[nodiscard]] bool Untouched() const {
    for (std::int64_t v : sums.bits) {
      if (v != 0) return false;
    }
    for (double v : TheGradients().right.Read()) {
      if (v != 0) return false;
    }
    return AllNan(ray_storage.origins) && AllNan(ray_storage.t_far) && CountersUntouched();
  }
};

struct BackwardCall : GradsCall {
  HpRays<float> given = SomeRays();
  hp_rays_t rays = given.View();
  const hp_rays_t* rays_given = nullptr;
  hp_instance instance = InstanceOf(TheWorld().field);
  const hp_instance* instances = &instance;
  std::int32_t instance_count = 1;
  hp_roi roi = {0, 0, 4, 3};
  HpImage<float> storage{3, 4}, row{1, 5};
  HpAdjoint<float> adjoint{3, 4, kOfAll, 1}, row_adjoint{1, 5, kOfAll, 1};
  hp_img_t forward;
  const hp_img_t* forward_given = &forward;
  BackwardCall() {
    for (auto* image : {&storage, &row}) {
      for (auto* v : {&image->radiance, &image->transmittance, &image->depth, &image->distortion})
        v->assign(v->size(), 0.5f);
    }
    forward = storage.View();
    adjoint.Fill(g);
    g.wanted = kWantScene | kWantCamera | kWantStep;
    g.values = TheGradients().right.get();
  }
  void GiveRays() {
    rays_given = &rays;
    forward = row.View();
    row_adjoint.Fill(g);
    g.wanted = kWantScene | kWantStep;
    ray_storage = HpRayGrads<float>(5);
    ray_storage.Fill(g, 0, 5);
  }
  hp_status Run() {
    return hp_samp_int_fused_backward(stream, plan, instances, instance_count, rays_given, roi, forward_given,
                                      gradients, counters, NoWorkspace());
  }
};

struct BackwardRaysCall : BackwardCall {
  BackwardRaysCall() { GiveRays(); }
};

struct DiffCall : GradsCall {
  HpSamples<float> given{12, 6};
  hp_samp_t samples;
  const hp_samp_t* samples_given = &samples;
  HpIntegrals<float> made{12};
  hp_intl_t integrals;
  const hp_intl_t* integrals_given = &integrals;
  HpAdjoint<float> adjoint{3, 4, kOfAll, 1};
  HpSampleGrads<float> storage{12, 6};
  hp_samp_grads_t d = storage.View();
  const hp_samp_grads_t* out = &d;
  DiffCall() {
    for (auto* v : {&given.t, &given.dt, &given.sigma, &given.rgb}) v->assign(v->size(), 0.5f);
    given.count.assign(12, 6);
    samples = given.View();
    for (auto* v : {&made.rgb, &made.transmittance, &made.opacity, &made.depth, &made.distortion})
      v->assign(v->size(), 0.5f);
    made.end.assign(12, 6);
    integrals = made.View();
    adjoint.Fill(g);
    g.wanted = kWantScene;
  }
  hp_status Run() {
    return hp_diff(stream, plan, samples_given, integrals_given, gradients, out, counters, NoWorkspace());
  }
  [[nodiscard]] bool Untouched() const {
    return AllNan(storage.t) && AllNan(storage.sigma) && AllNan(storage.rgb) && GradsCall::Untouched();
  }
};

struct SampBackwardCall : GradsCall {
  HpRays<float> given = SomeRays();
  hp_rays_t rays = given.View();
  const hp_rays_t* rays_given = &rays;
  hp_instance instance = InstanceOf(TheWorld().field);
  const hp_instance* instances = &instance;
  std::int32_t instance_count = 1;
  HpSampleGrads<float> storage{5, 6};
  hp_samp_grads_t d;
  const hp_samp_grads_t* d_given = &d;
  SampBackwardCall() {
    for (auto* v : {&storage.t, &storage.dt, &storage.sigma, &storage.rgb}) v->assign(v->size(), 0.5f);
    d = storage.View();
    g.wanted = kWantScene | kWantStep;
    g.values = TheGradients().right.get();
    ray_storage = HpRayGrads<float>(5);
    ray_storage.Fill(g, 0, 5);
  }
  hp_status Run() {
    return hp_samp_backward(stream, plan, instances, instance_count, rays_given, d_given, gradients, counters,
                            NoWorkspace());
  }
};

struct RayBackwardCall : GradsCall {
  hp_roi roi = {0, 0, 4, 3};
  HpRayGrads<float> in{12};
  RayBackwardCall() {
    for (auto* v : {&in.origins, &in.directions, &in.t_near, &in.t_far}) v->assign(v->size(), 0.5f);
    g.wanted = kWantCamera;
    in.Fill(g, 0, 12);
  }
  hp_status Run() { return hp_ray_backward(stream, plan, roi, gradients, counters, NoWorkspace()); }
};

// Refusals that backward ops share.
template <class C>
std::vector<Refusal<C>> GradientRefusals() {
  return {
      {"no gradients", [](C& c) { c.gradients = nullptr; }, {"gradients = NULL", "required"}},
      {"gradients not initialised", [](C& c) { c.g.struct_size = 7; }, {"gradients.struct_size = 7", "HP_INIT"}},
      {"something unknown wanted",
       [](C& c) { c.g.wanted |= 8; },
       {"gradients.wanted = ", "HP_WANT_SCENE, HP_WANT_CAMERA, HP_WANT_STEP"}},
      {"sums wanted and none given", [](C& c) { c.g.sums.data = nullptr; }, {"gradients.sums.data = NULL", "required"}},
      {"sums not initialised", [](C& c) { c.g.sums.struct_size = 3; }, {"gradients.sums.struct_size = 3", "HP_INIT"}},
      {"sums in f64", [](C& c) { c.g.sums.dtype = HP_DTYPE_F64; }, {"gradients.sums.dtype = 2", "must be 6"}},
      {"too few sums", [](C& c) { c.g.sums.shape[0] = 3; }, {"gradients.sums.shape[0] = 3", "must be 1056"}},
      {"sums of one word", [](C& c) { c.g.sums.rank = 1; }, {"gradients.sums.rank = 1", "must be 2"}},
      {"sums with gaps", [](C& c) { c.g.sums.strides[0] = 4; }, {"gradients.sums.strides", "contiguous"}},
  };
}
template <class C>
std::vector<Refusal<C>> AdjointRefusals() {
  return {
      {"nothing to go by",
       [](C& c) {
         for (hp_tensor* t : {&c.g.d_rgb, &c.g.d_opacity, &c.g.d_transmittance, &c.g.d_depth, &c.g.d_distortion}) {
           *t = NoTensor();
         }
       },
       {"gradients.d_rgb, d_opacity, d_transmittance, d_depth, d_distortion = NULL", "at least one is required"}},
      {"d_rgb of 4 channels", [](C& c) { c.g.d_rgb.shape[2] = 4; }, {"gradients.d_rgb.shape[2] = 4", "must be 3"}},
      {"d_rgb in f64", [](C& c) { c.g.d_rgb.dtype = HP_DTYPE_F64; }, {"gradients.d_rgb.dtype = 2", "must be 1"}},
      {"d_opacity too narrow", [](C& c) { c.g.d_opacity.shape[1] -= 1; }, {"gradients.d_opacity.shape[1]", "must be"}},
      {"d_transmittance of rank 3",
       [](C& c) { c.g.d_transmittance.rank = 3; },
       {"gradients.d_transmittance.rank = 3", "must be 2"}},
      {"d_depth not initialised",
       [](C& c) { c.g.d_depth.struct_size = 1; },
       {"gradients.d_depth.struct_size = 1", "HP_INIT"}},
      {"d_distortion in f64",
       [](C& c) { c.g.d_distortion.dtype = HP_DTYPE_F64; },
       {"gradients.d_distortion.dtype = 2", "must be 1"}},
  };
}
template <class C>
std::vector<Refusal<C>> ValueRefusals() {
  return {
      {"the gradient of another field",
       [](C& c) { c.g.values = TheGradients().clamped.get(); },
       {"gradients.values", "another field than instances[0].field"}},
      {"the gradient of another context",
       [](C& c) { c.g.values = TheGradients().foreign.get(); },
       {"gradients.values", "another context"}},
  };
}
template <class C>
std::vector<Refusal<C>> RayGradientRefusals() {
  return {
      {"d_origins of 2 components",
       [](C& c) { c.g.d_origins.shape[1] = 2; },
       {"gradients.d_origins.shape[1] = 2", "must be 3"}},
      {"d_directions in f64",
       [](C& c) { c.g.d_directions.dtype = HP_DTYPE_F64; },
       {"gradients.d_directions.dtype = 2", "must be 1"}},
      {"d_t_near of rank 2", [](C& c) { c.g.d_t_near.rank = 2; }, {"gradients.d_t_near.rank = 2", "must be 1"}},
      {"d_t_far one short", [](C& c) { c.g.d_t_far.shape[0] -= 1; }, {"gradients.d_t_far.shape[0]", "must be"}},
  };
}
}  // namespace

TEST_CASE("BackwardRefusesByName", "[validation]") {
  using C = BackwardCall;
  CheckRefusals<C>(
      Together<C>(
          {CommonRefusals<C>(),
           CounterRefusals<C>(),
           InstanceRefusals<C>(),
           GradientRefusals<C>(),
           AdjointRefusals<C>(),
           ValueRefusals<C>(),
           {{"neither camera nor rays",
             [](C& c) { c.plan = TheWorld().no_camera.get(); },
             {"plan.camera = NULL", "required"}},
            {"beyond the image", [](C& c) { c.roi.y = 1; }, {"roi = 0,1,4,3", "4x3"}},
            {"an endless ray through an endless field",
             [](C& c) {
               c.instance.field = TheWorld().clamped.get();
               c.g.values = TheGradients().clamped.get();
             },
             {"camera.t_far = inf", "must be finite"}},
            {"no forward", [](C& c) { c.forward_given = nullptr; }, {"forward = NULL", "required"}},
            {"forward not initialised",
             [](C& c) { c.forward.struct_size = 2; },
             {"forward.struct_size = 2", "HP_INIT"}},
            {"no radiance",
             [](C& c) { c.forward.radiance.data = nullptr; },
             {"forward.radiance.data = NULL", "required"}},
            {"no transmittance",
             [](C& c) { c.forward.transmittance.data = nullptr; },
             {"forward.transmittance.data = NULL", "required"}},
            {"no depth", [](C& c) { c.forward.depth.data = nullptr; }, {"forward.depth.data = NULL", "required"}},
            {"no distortion",
             [](C& c) { c.forward.distortion.data = nullptr; },
             {"forward.distortion.data = NULL", "required"}},
            {"radiance of another size",
             [](C& c) { c.forward.radiance.shape[0] = 2; },
             {"forward.radiance.shape[0] = 2", "must be 3"}},
            {"depth in f64",
             [](C& c) { c.forward.depth.dtype = HP_DTYPE_F64; },
             {"forward.depth.dtype = 2", "must be 1"}},
            {"gradients of rays that are not given",
             [](C& c) {
               c.ray_storage = HpRayGrads<float>(12);
               c.g.d_origins = TensorOf(c.ray_storage.origins.data(), {12, 3});
             },
             {"gradients.d_origins", "no rays are given", "HP_WANT_CAMERA"}}}}),
      [] { return C(); });
}

TEST_CASE("BackwardOfGivenRaysRefusesByName", "[validation]") {
  using C = BackwardRaysCall;
  CheckRefusals<C>(Together<C>({RayRefusals<C>(),
                                GradientRefusals<C>(),
                                AdjointRefusals<C>(),
                                ValueRefusals<C>(),
                                RayGradientRefusals<C>(),
                                {{"a camera's gradient without a camera",
                                  [](C& c) { c.g.wanted |= kWantCamera; },
                                  {"gradients.wanted", "HP_WANT_CAMERA"}},
                                 {"a forward of another width",
                                  [](C& c) { c.forward = c.storage.View(); },
                                  {"forward.radiance.shape[0] = 3", "must be 1"}}}}),
                   [] { return C(); });
}

TEST_CASE("SampleAdjointsRefuseByName", "[validation]") {
  using C = DiffCall;
  CheckRefusals<C>(
      Together<C>(
          {CommonRefusals<C>(),
           CounterRefusals<C>(),
           GradientRefusals<C>(),
           AdjointRefusals<C>(),
           {{"no samples", [](C& c) { c.samples_given = nullptr; }, {"samples = NULL", "required"}},
            {"no integrals", [](C& c) { c.integrals_given = nullptr; }, {"integrals = NULL", "required"}},
            {"integrals of 11 rays",
             [](C& c) { c.integrals.depth.shape[0] = 11; },
             {"integrals.depth.shape[0] = 11", "must be 12"}},
            {"another number of pixels",
             [](C& c) {
               for (hp_tensor* t : {&c.g.d_rgb, &c.g.d_opacity, &c.g.d_transmittance, &c.g.d_depth}) t->shape[0] = 2;
             },
             {"gradients", "2x4 pixels for 12 rays"}},
            {"nowhere to write", [](C& c) { c.out = nullptr; }, {"d_samples = NULL", "required"}},
            {"d_samples not initialised", [](C& c) { c.d.struct_size = 4; }, {"d_samples.struct_size = 4", "HP_INIT"}},
            {"d_t in f64", [](C& c) { c.d.t.dtype = HP_DTYPE_F64; }, {"d_samples.t.dtype = 2", "must be 1"}},
            {"d_dt of another size", [](C& c) { c.d.dt.shape[1] = 5; }, {"d_samples.dt.shape[1] = 5", "must be 6"}},
            {"no d_sigma", [](C& c) { c.d.sigma.data = nullptr; }, {"d_samples.sigma.data = NULL", "required"}},
            {"d_rgb of rank 2", [](C& c) { c.d.rgb.rank = 2; }, {"d_samples.rgb.rank = 2", "must be 3"}},
            {"room for other samples",
             [](C& c) {
               c.storage = HpSampleGrads<float>(12, 5);
               c.d = c.storage.View();
             },
             {"d_samples.t.shape[1] = 5", "must be 6"}},
            {"a camera's gradient",
             [](C& c) { c.g.wanted = kWantCamera; },
             {"gradients.wanted", "hp_samp_backward goes on"}},
            {"the step's gradient",
             [](C& c) { c.g.wanted = kWantStep; },
             {"gradients.wanted", "hp_samp_backward goes on"}},
            {"a field's gradient",
             [](C& c) { c.g.values = TheGradients().right.get(); },
             {"gradients.wanted, values", "hp_samp_backward goes on"}}}}),
      [] { return C(); });
}

TEST_CASE("SampleBackwardRefusesByName", "[validation]") {
  using C = SampBackwardCall;
  CheckRefusals<C>(Together<C>({CommonRefusals<C>(),
                                CounterRefusals<C>(),
                                RayRefusals<C>(),
                                InstanceRefusals<C>(),
                                GradientRefusals<C>(),
                                ValueRefusals<C>(),
                                RayGradientRefusals<C>(),
                                {{"no rays", [](C& c) { c.rays_given = nullptr; }, {"rays = NULL", "required"}},
                                 {"no d_samples", [](C& c) { c.d_given = nullptr; }, {"d_samples = NULL", "required"}},
                                 {"d_sigma of another size",
                                  [](C& c) { c.d.sigma.shape[0] = 4; },
                                  {"d_samples.sigma.shape[0] = 4", "must be 5"}},
                                 {"too few samples",
                                  [](C& c) {
                                    c.storage = HpSampleGrads<float>(5, 3);
                                    c.d = c.storage.View();
                                  },
                                  {"d_samples.t.shape[1] = 3", "must be >= 4"}},
                                 {"a camera's gradient",
                                  [](C& c) { c.g.wanted |= kWantCamera; },
                                  {"gradients.wanted", "hp_ray_backward"}}}}),
                   [] { return C(); });
}

TEST_CASE("RayBackwardRefusesByName", "[validation]") {
  using C = RayBackwardCall;
  CheckRefusals<C>(
      Together<C>(
          {CommonRefusals<C>(),
           CounterRefusals<C>(),
           GradientRefusals<C>(),
           RayGradientRefusals<C>(),
           {{"a plan without a camera",
             [](C& c) { c.plan = TheWorld().no_camera.get(); },
             {"plan.camera = NULL", "required"}},
            {"beyond the image", [](C& c) { c.roi.x = 1; }, {"roi = 1,0,4,3", "4x3"}},
            {"rays of another rectangle",
             [](C& c) { c.roi.height = 2; },
             {"gradients.d_origins.shape[0] = 12", "must be 8"}},
            {"no d_t_far", [](C& c) { c.g.d_t_far.data = nullptr; }, {"gradients.d_t_far.data = NULL", "required"}},
            {"the scene's gradient",
             [](C& c) { c.g.wanted |= kWantScene; },
             {"gradients.wanted = 3", "must be HP_WANT_CAMERA"}},
            {"nothing wanted", [](C& c) { c.g.wanted = 0; }, {"gradients.wanted = 0", "HP_WANT_CAMERA"}},
            {"a field's gradient",
             [](C& c) { c.g.values = TheGradients().right.get(); },
             {"gradients.wanted", "without values"}}}}),
      [] { return C(); });
}

TEST_CASE("GradientsRefuseByName", "[validation]") {
  World& world = TheWorld();
  hp_stream* stream = world.context.stream();
  auto says = [](hp_status status, std::initializer_list<const char*> texts) {
    const std::string message = hp_last_error();
    INFO(hp_status_name(status) << ": " << message);
    CHECK(status == HP_STATUS_INVALID_ARGUMENT);
    for (const char* text : texts) CHECK(message.find(text) != std::string::npos);
  };
  hp_gradient* made = nullptr;
  says(hp_gradient_create(nullptr, world.field.get(), &made), {"stream", "NULL", "required"});
  says(hp_gradient_create(stream, nullptr, &made), {"field", "NULL", "required"});
  says(hp_gradient_create(stream, world.field.get(), nullptr), {"out", "NULL", "required"});
  says(hp_gradient_create(stream, world.foreign.get(), &made), {"field", "another context"});
  CHECK(made == nullptr);
  hp_gradient_destroy(nullptr);

  HpGradient gradient(world.context, world.field, -30);
  HpGradient foreign(world.other, world.foreign, -30);
  says(hp_gradient_zero(nullptr, gradient.get(), -30), {"stream", "NULL", "required"});
  says(hp_gradient_zero(stream, nullptr, -30), {"gradient", "NULL", "required"});
  says(hp_gradient_zero(stream, foreign.get(), -30), {"gradient", "another context"});
  says(hp_gradient_zero(stream, gradient.get(), -101), {"exponent = -101", "must be -100 to 60"});
  says(hp_gradient_zero(stream, gradient.get(), 61), {"exponent = 61", "must be -100 to 60"});
  CHECK(gradient.Info().exponent == -30);

  hp_gradient_info info = {};
  says(hp_gradient_get_info(gradient.get(), &info), {"gradient_info.struct_size = 0", "HP_INIT"});
  HP_INIT(info);
  says(hp_gradient_get_info(nullptr, &info), {"gradient = NULL", "required"});
  says(hp_gradient_get_info(gradient.get(), nullptr), {"gradient_info = NULL", "required"});

  std::vector<float> values(1, -7);
  const hp_tensor good = TensorOf(values.data(), {1, 1, 1, 1});
  auto refused = [&](const std::function<void(hp_tensor&)>& spoil, std::initializer_list<const char*> texts) {
    hp_tensor t = good;
    spoil(t);
    says(hp_gradient_read(stream, gradient.get(), &t, nullptr), texts);
    CHECK(values[0] == -7);
  };
  refused([](hp_tensor& t) { t.dtype = HP_DTYPE_F16; }, {"values.dtype = 3", "must be f32 or f64"});
  refused([](hp_tensor& t) { t.shape[2] = 2; }, {"values.shape[2] = 2", "must be 1"});
  refused([](hp_tensor& t) { t.rank = 3; }, {"values.rank = 3", "must be 4"});
  refused([](hp_tensor& t) { t.data = nullptr; }, {"values.data = NULL", "required"});
  refused([](hp_tensor& t) { t.struct_size = 1; }, {"values.struct_size = 1", "HP_INIT"});
  says(hp_gradient_read(nullptr, gradient.get(), &good, nullptr), {"stream", "NULL", "required"});
  says(hp_gradient_read(stream, nullptr, &good, nullptr), {"gradient", "NULL", "required"});
  says(hp_gradient_read(stream, gradient.get(), nullptr, nullptr), {"values", "NULL", "required"});
  says(hp_gradient_read(stream, foreign.get(), &good, nullptr), {"gradient", "another context"});
  std::vector<std::int32_t> corners(3, -7);
  const hp_tensor origins = TensorOf(corners.data(), {1, 3});
  says(hp_gradient_read(stream, gradient.get(), &good, &origins), {"origins", "dense grid has none"});
  CHECK(corners[0] == -7);
  CHECK(values[0] == -7);
  CHECK(hp_gradient_read(stream, gradient.get(), &good, nullptr) == HP_STATUS_OK);
  CHECK(values[0] == 0);

  DenseGrid grid;
  grid.nx = 3, grid.ny = 2;
  grid.values.assign(6, 1.0f);
  const HpField wide = MakeField(world.context, grid);
  HpGradient of_wide(world.context, wide, -30);
  std::vector<float> six(12, -7);
  hp_tensor gaps = TensorOf(six.data(), {1, 2, 3, 1});
  gaps.strides[1] = 6;
  says(hp_gradient_read(stream, of_wide.get(), &gaps, nullptr), {"values.strides[1] = 6", "must be contiguous"});
}

#if defined(DVREN_TEST_WITH_NANOVDB)
TEST_CASE("FieldsWithoutParametersHaveNoGradient", "[validation]") {
  World& world = TheWorld();
  const HpField tiles =
      MakeField(world.context, MakeRootTileBlob({{-4096, 0, 0}, {0, 0, 0}}, 0.25f, 0, {-20, 5, 5}, {30, 25, 15}));
  hp_gradient* made = nullptr;
  CHECK(hp_gradient_create(world.context.stream(), tiles.get(), &made) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(std::string(hp_last_error()).find("field: a nanovdb without parameters has no gradient") != std::string::npos);
  CHECK(made == nullptr);
  // Its scene and its rays have gradients all the same.
  hp_plan_desc desc = PlanDesc(nullptr, 0.25);
  desc.precision = HP_PRECISION_F64;
  HpRays<double> rays;
  rays.Add({10, 10, 8}, {1, 0, 0}, 0, 4);
  const auto g = BackwardRays<double>(world.context, MakePlan(world.context, desc), InstanceOf(tiles), rays,
                                      HpAdjoint<double>(1, 1, kOfOpacity, 1), kFineExponent, false);
  CHECK(g.sums[HP_SUM_SIGMA_SCALE] == Approx(std::exp(-1.0)).epsilon(1e-10));
  CHECK(g.rays.t_far[0] == Approx(0.25 * std::exp(-1.0)).epsilon(1e-10));
}

TEST_CASE("NanoVdbGradientsComeByLeafWithTheirCorners", "[gradient]") {
  World& world = TheWorld();
  SparseVolume volume;
  TestRandom random(4);
  for (int n = 0; n < 300; ++n) {
    volume.voxels[{random.Below(40) - 20, random.Below(30) - 9, random.Below(8)}] =
        static_cast<float>(random.Uniform(0.1, 1));
  }
  const NanoVdbBlob blob = MakeNanoVdbBlob(volume);
  const HpField field = MakeField(world.context, blob);
  const std::vector<Index3> leaves = LeafOrigins(blob);
  HpGradient gradient(world.context, field);
  const hp_gradient_info info = gradient.Info();
  REQUIRE(info.rank == 4);
  CHECK(info.shape[0] == static_cast<std::int64_t>(leaves.size()));
  for (int i = 1; i < 4; ++i) CHECK(info.shape[i] == 8);
  REQUIRE(gradient.Origins() == leaves);
  // A ray that ends in the middle between voxels (3, 2, 5) and (4, 2, 5), after one sample there.
  const Index3 at{3, 2, 5};
  volume.voxels[at] = 1;
  const NanoVdbBlob with = MakeNanoVdbBlob(volume);
  const HpField field_with = MakeField(world.context, with);
  hp_plan_desc desc = PlanDesc(nullptr, 1);
  desc.precision = HP_PRECISION_F64;
  HpRays<double> rays;
  rays.Add({3.25, 1.75, 5}, {0, 0, 1}, 0, 1e-3);
  const auto g = BackwardRays<double>(world.context, MakePlan(world.context, desc), InstanceOf(field_with), rays,
                                      HpAdjoint<double>(1, 1, kOfOpacity, 1));
  const std::vector<Index3> corners = LeafOrigins(with);
  const std::vector<float> stored = LeafValues(with);
  double found = 0, total = 0;
  for (std::size_t i = 0; i < g.values.size(); ++i) {
    total += g.values[i];
    const Index3& corner = corners[i / 512];
    const Index3 voxel{corner[0] + static_cast<int>(i % 8), corner[1] + static_cast<int>(i / 8 % 8),
                       corner[2] + static_cast<int>(i / 64 % 8)};
    if (voxel == at) {
      found = g.values[i];
      CHECK(stored[i] == 1);
    }
  }
  // dL/d(sample) = length T, its share 3/4 x 3/4 x (1 - 0.0005).
  CHECK(found == Approx(total * 0.5625 * 0.9995).epsilon(1e-6));
  CHECK(total == Approx(1e-3).epsilon(2e-3));
}
#endif

TEST_CASE("BackwardWorkspaceSizesAreTold", "[validation]") {
  const hp_plan* plan = TheWorld().plan.get();
  std::size_t bytes = 99;
  CHECK(hp_diff_workspace_size(plan, 12, 6, &bytes) == HP_STATUS_OK);
  CHECK(hp_samp_backward_workspace_size(plan, 12, 6, &bytes) == HP_STATUS_OK);
  CHECK(hp_ray_backward_workspace_size(plan, {0, 0, 4, 3}, &bytes) == HP_STATUS_OK);
  CHECK(hp_samp_int_fused_backward_workspace_size(plan, {0, 0, 4, 3}, 0, &bytes) == HP_STATUS_OK);
  CHECK(bytes == 0);  // the CPU needs none
  CHECK(hp_diff_workspace_size(plan, 12, 6, nullptr) == HP_STATUS_INVALID_ARGUMENT);
}

}  // namespace dvren::test
