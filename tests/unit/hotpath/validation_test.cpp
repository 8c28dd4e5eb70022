// Refusals: every bad argument is named with its value and what would be right, and nothing is written.
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/hp_fixture.h"
#include "unit/hotpath/refusals.h"

namespace dvren::test {
namespace {

// ---- contexts -------------------------------------------------------------------------------------------------------

struct CtxCall {
  hp_ctx_desc desc = {};
  const hp_ctx_desc* given = &desc;
  hp_ctx* out = nullptr;
  CtxCall() {
    HP_INIT(desc);
    desc.device = HP_DEVICE_CPU;
    desc.threads = 1;
  }
  CtxCall(const CtxCall&) = delete;
  ~CtxCall() { hp_ctx_destroy(out); }
  hp_status Run() { return hp_ctx_create(given, &out); }
  [[nodiscard]] bool Untouched() const { return out == nullptr; }
};

// ---- plans ----------------------------------------------------------------------------------------------------------

struct PlanCall {
  const HpContext* context;
  hp_camera camera = PinholeCamera(4, 3, 5);
  hp_plan_desc desc = PlanDesc(&camera, 0.1);
  hp_plan* out = nullptr;
  explicit PlanCall(const HpContext& c) : context(&c) {}
  PlanCall(const PlanCall&) = delete;
  ~PlanCall() { hp_plan_destroy(out); }
  hp_status Run() { return hp_plan_create(context->ctx(), &desc, &out); }
  [[nodiscard]] bool Untouched() const { return out == nullptr; }
};

// ---- dense grids ----------------------------------------------------------------------------------------------------

struct GridCall {
  const HpContext* context;
  DenseGrid grid;
  hp_grid_desc desc;
  bool color = false;
  hp_field* out = nullptr;
  GridCall(const HpContext& c, std::int64_t channels) : context(&c), color(channels > 1) {
    grid.nz = 2, grid.ny = 3, grid.nx = 4, grid.channels = channels;
    grid.values.assign(static_cast<std::size_t>(24 * channels), 0.5f);
    desc = grid.Desc();
  }
  GridCall(const GridCall&) = delete;
  ~GridCall() { hp_field_destroy(out); }
  hp_status Run() {
    return color ? hp_field_create_grid_color(context->stream(), &desc, &out)
                 : hp_field_create_grid_sigma(context->stream(), &desc, &out);
  }
  [[nodiscard]] bool Untouched() const { return out == nullptr; }
};

// ---- stages ---------------------------------------------------------------------------------------------------------

HpRays<float> UnsetRays(std::size_t n) {
  HpRays<float> rays(n);
  for (auto* v : {&rays.origins, &rays.directions, &rays.t_near, &rays.t_far}) {
    v->assign(v->size(), std::numeric_limits<float>::quiet_NaN());
  }
  return rays;
}

struct RayCall : StageCall {
  HpRays<float> storage = UnsetRays(12);
  hp_rays_t rays = storage.View();
  const hp_rays_t* out = &rays;
  hp_roi roi = {0, 0, 4, 3};
  hp_status Run() { return hp_ray(stream, plan, roi, out, counters, NoWorkspace()); }
  [[nodiscard]] bool Untouched() const {
    return AllNan(storage.origins) && AllNan(storage.t_far) && CountersUntouched();
  }
};

struct SampCall : StageCall {
  HpRays<float> given = SomeRays();
  hp_rays_t rays = given.View();
  const hp_rays_t* rays_given = &rays;
  hp_instance instance = InstanceOf(TheWorld().field);
  const hp_instance* instances = &instance;
  std::int32_t instance_count = 1;
  HpSamples<float> storage{5, 6};
  hp_samp_t samples = storage.View();
  const hp_samp_t* out = &samples;
  hp_status Run() { return hp_samp(stream, plan, instances, instance_count, rays_given, out, counters, NoWorkspace()); }
  [[nodiscard]] bool Untouched() const {
    return AllNan(storage.t) && AllNan(storage.rgb) && storage.count[0] == -1 && CountersUntouched();
  }
};

struct MaxCountCall : SampCall {
  std::int64_t count = -7;
  std::int64_t* count_out = &count;
  hp_status Run() { return hp_samp_max_count(stream, plan, instances, instance_count, rays_given, count_out); }
  [[nodiscard]] bool Untouched() const { return count == -7; }
};

struct IntCall : StageCall {
  HpSamples<float> given{5, 6};
  hp_samp_t samples;
  const hp_samp_t* samples_given = &samples;
  HpIntegrals<float> storage{5};
  hp_intl_t integrals = storage.View();
  const hp_intl_t* out = &integrals;
  IntCall() {
    for (auto* v : {&given.t, &given.dt, &given.sigma, &given.rgb}) v->assign(v->size(), 0.5f);
    given.count.assign(5, 6);
    samples = given.View();
  }
  hp_status Run() { return hp_int(stream, plan, samples_given, out, counters, NoWorkspace()); }
  [[nodiscard]] bool Untouched() const {
    return AllNan(storage.rgb) && AllNan(storage.depth) && storage.end[0] == -1 && CountersUntouched();
  }
};

struct ImgCall : StageCall {
  HpIntegrals<float> given{12};
  hp_intl_t integrals;
  const hp_intl_t* integrals_given = &integrals;
  HpImage<float> storage{3, 4};
  hp_img_t img = storage.View();
  const hp_img_t* out = &img;
  ImgCall() {
    for (auto* v : {&given.rgb, &given.transmittance, &given.opacity, &given.depth, &given.distortion}) {
      v->assign(v->size(), 0.5f);
    }
    integrals = given.View();
  }
  hp_status Run() { return hp_img(stream, plan, integrals_given, out, NoWorkspace()); }
  [[nodiscard]] bool Untouched() const { return AllNan(storage.rgb) && AllNan(storage.hit); }
};

struct FusedCall : StageCall {
  HpRays<float> given = SomeRays();
  hp_rays_t rays = given.View();
  const hp_rays_t* rays_given = nullptr;
  hp_instance instance = InstanceOf(TheWorld().field);
  const hp_instance* instances = &instance;
  std::int32_t instance_count = 1;
  hp_roi roi = {0, 0, 4, 3};
  HpImage<float> storage{3, 4}, row{1, 5};
  hp_img_t img = storage.View();
  const hp_img_t* out = &img;
  void GiveRays() {
    rays_given = &rays;
    img = row.View();
  }
  hp_status Run() {
    return hp_samp_int_fused(stream, plan, instances, instance_count, rays_given, roi, out, counters, NoWorkspace());
  }
  [[nodiscard]] bool Untouched() const {
    return AllNan(storage.rgb) && AllNan(row.rgb) && AllNan(storage.depth) && CountersUntouched();
  }
};

struct EvaluateCall : StageCall {
  std::vector<float> p = std::vector<float>(6, 0.5f), d = {0, 0, 1, 0, 0, 1}, s, c;
  hp_tensor positions, directions, sigma, rgb;
  const hp_tensor *positions_given = &positions, *directions_given = &directions, *sigma_out = &sigma, *rgb_out = &rgb;
  hp_instance instance = InstanceOf(TheWorld().field);
  const hp_instance* instance_given = &instance;
  EvaluateCall() {
    s.assign(2, std::nanf(""));
    c.assign(6, std::nanf(""));
    positions = TensorOf(p.data(), {2, 3});
    directions = TensorOf(d.data(), {2, 3});
    sigma = TensorOf(s.data(), {2});
    rgb = TensorOf(c.data(), {2, 3});
  }
  hp_status Run() {
    return hp_field_evaluate(stream, plan, instance_given, positions_given, directions_given, sigma_out, rgb_out,
                             NoWorkspace());
  }
  [[nodiscard]] bool Untouched() const { return AllNan(s) && AllNan(c); }
};

template <class Call>
std::vector<Refusal<Call>> ImageRefusals() {
  return {
      {"no image", [](Call& c) { c.out = nullptr; }, {"img = NULL", "required"}},
      {"image not initialised", [](Call& c) { c.img.struct_size = 2; }, {"img.struct_size = 2", "HP_INIT"}},
      {"rgb of 4 channels", [](Call& c) { c.img.rgb.shape[2] = 4; }, {"img.rgb.shape[2] = 4", "must be 3"}},
      {"rgb in f16", [](Call& c) { c.img.rgb.dtype = HP_DTYPE_F16; }, {"img.rgb.dtype = 3", "must be 1"}},
      {"opacity too narrow", [](Call& c) { c.img.opacity.shape[1] -= 1; }, {"img.opacity.shape[1]", "must be"}},
      {"transmittance of rank 3",
       [](Call& c) { c.img.transmittance.rank = 3; },
       {"img.transmittance.rank = 3", "must be 2"}},
      {"depth not initialised", [](Call& c) { c.img.depth.struct_size = 4; }, {"img.depth.struct_size = 4", "HP_INIT"}},
      {"distortion of rank 3", [](Call& c) { c.img.distortion.rank = 3; }, {"img.distortion.rank = 3", "must be 2"}},
      {"hit in u8", [](Call& c) { c.img.hit.dtype = HP_DTYPE_U8; }, {"img.hit.dtype = 7", "must be 1"}},
  };
}

}  // namespace

TEST_CASE("ContextRefusesWhatItCannotBe", "[validation]") {
  using C = CtxCall;
  CheckRefusals<C>(
      {
          {"no descriptor", [](C& c) { c.given = nullptr; }, {"ctx_desc = NULL", "required"}},
          {"not initialised", [](C& c) { c.desc.struct_size = 0; }, {"ctx_desc.struct_size = 0", "HP_INIT"}},
          {"size of another version", [](C& c) { c.desc.struct_size += 8; }, {"ctx_desc.struct_size", "HP_INIT"}},
          {"unknown device",
           [](C& c) { c.desc.device = static_cast<hp_device>(9); },
           {"ctx_desc.device = 9", "must be"}},
          {"second CPU", [](C& c) { c.desc.device_index = 1; }, {"ctx_desc.device_index = 1", "must be 0"}},
          {"negative threads", [](C& c) { c.desc.threads = -3; }, {"ctx_desc.threads = -3", "must be"}},
          {"too many threads", [](C& c) { c.desc.threads = 1025; }, {"ctx_desc.threads = 1025", "1024"}},
          {"unknown isa", [](C& c) { c.desc.isa = static_cast<hp_isa>(17); }, {"ctx_desc.isa = 17", "must be"}},
      },
      [] { return C(); });
  CtxCall call;
  CHECK(hp_ctx_create(&call.desc, nullptr) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(std::string(hp_last_error()).find("out = NULL") != std::string::npos);
}

TEST_CASE("InstructionSetThatTheCpuLacksIsUnsupported", "[validation]") {
  bool lacks = false;
  for (hp_isa isa : {HP_ISA_AVX2, HP_ISA_AVX512}) {
    if (hp_isa_available(isa)) continue;
    lacks = true;
    CtxCall call;
    call.desc.isa = isa;
    CHECK(call.Run() == HP_STATUS_UNSUPPORTED);
    CHECK(std::string(hp_last_error()).find("HP_ISA_AUTO") != std::string::npos);
    CHECK(call.Untouched());
  }
  CHECK(hp_isa_available(HP_ISA_SCALAR) == 1);
  CHECK(hp_isa_available(static_cast<hp_isa>(17)) == 0);
  if (!lacks) WARN("this CPU runs every instruction set: nothing to refuse");
}

TEST_CASE("ContextTellsWhatItIs", "[validation]") {
  const HpContext context(HP_ISA_SCALAR, 3);
  hp_ctx_info info = {};
  CHECK(hp_ctx_get_info(context.ctx(), &info) == HP_STATUS_INVALID_ARGUMENT);  // not initialised
  CHECK(info.threads == 0);
  HP_INIT(info);
  REQUIRE(hp_ctx_get_info(context.ctx(), &info) == HP_STATUS_OK);
  CHECK(info.device == HP_DEVICE_CPU);
  CHECK(info.threads == 3);
  CHECK(info.isa == HP_ISA_SCALAR);
  CHECK(info.memory_total_bytes > 0);
  CHECK(std::string(info.name).size() > 0);
  CHECK(hp_ctx_get_info(nullptr, &info) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_device_count(HP_DEVICE_CPU) == 1);
  CHECK(hp_device_count(static_cast<hp_device>(9)) == 0);
}

TEST_CASE("PlanRefusesEveryBadNumberByName", "[validation]") {
  using C = PlanCall;
  std::vector<Refusal<C>> refusals = {
      {"not initialised", [](C& c) { c.desc.struct_size = 1; }, {"plan_desc.struct_size = 1", "HP_INIT"}},
      {"camera not initialised", [](C& c) { c.camera.struct_size = 1; }, {"camera.struct_size = 1", "HP_INIT"}},
      {"no columns", [](C& c) { c.camera.width = 0; }, {"camera.width = 0", "must be 1 to 32768"}},
      {"negative width", [](C& c) { c.camera.width = -4; }, {"camera.width = -4", "must be"}},
      {"too wide", [](C& c) { c.camera.width = 32769; }, {"camera.width = 32769", "must be"}},
      {"no rows", [](C& c) { c.camera.height = 0; }, {"camera.height = 0", "must be"}},
      {"unknown model",
       [](C& c) { c.camera.model = static_cast<hp_camera_model>(0); },
       {"camera.model = 0", "must be"}},
      {"no focal length", [](C& c) { c.camera.fx = 0; }, {"camera.fx = 0", "must be finite and > 0"}},
      {"negative focal length", [](C& c) { c.camera.fy = -1; }, {"camera.fy = -1", "must be finite and > 0"}},
      {"NaN focal length", [](C& c) { c.camera.fx = kNan; }, {"camera.fx = nan", "must be finite"}},
      {"NaN centre", [](C& c) { c.camera.cx = kNan; }, {"camera.cx = nan", "must be finite"}},
      {"endless centre", [](C& c) { c.camera.cy = kInf; }, {"camera.cy = inf", "must be finite"}},
      {"NaN lens", [](C& c) { c.camera.distortion[4] = kNan; }, {"camera.distortion[4] = nan", "must be finite"}},
      {"no scale",
       [](C& c) {
         c.camera.model = HP_CAMERA_ORTHOGRAPHIC;
         c.camera.ortho_scale = 0;
       },
       {"camera.ortho_scale = 0", "must be finite and > 0"}},
      {"singular pose", [](C& c) { c.camera.camera_to_world.m[0] = 0; }, {"camera.camera_to_world", "singular"}},
      {"NaN pose", [](C& c) { c.camera.camera_to_world.m[11] = kNan; }, {"camera.camera_to_world", "finite"}},
      {"negative t_near", [](C& c) { c.camera.t_near = -0.5; }, {"camera.t_near = -0.5", "must be finite and >= 0"}},
      {"endless t_near", [](C& c) { c.camera.t_near = kInf; }, {"camera.t_near = inf", "must be finite"}},
      {"t_far at t_near",
       [](C& c) { c.camera.t_near = c.camera.t_far = 2; },
       {"camera.t_far = 2", "must be > t_near = 2"}},
      {"NaN t_far", [](C& c) { c.camera.t_far = kNan; }, {"camera.t_far = nan", "must be"}},
      {"unknown sampling",
       [](C& c) { c.desc.sampling = static_cast<hp_sampling>(4); },
       {"plan.sampling = 4", "must be fixed, stratified or uniform jitter"}},
      {"no sampling", [](C& c) { c.desc.sampling = static_cast<hp_sampling>(0); }, {"plan.sampling = 0", "must be"}},
      {"dt zero", [](C& c) { c.desc.dt = 0; }, {"plan.dt = 0", "must be finite and > 0"}},
      {"dt negative", [](C& c) { c.desc.dt = -0.1; }, {"plan.dt = -0.1", "must be finite and > 0"}},
      {"dt NaN", [](C& c) { c.desc.dt = kNan; }, {"plan.dt = nan", "must be finite"}},
      {"dt endless", [](C& c) { c.desc.dt = kInf; }, {"plan.dt = inf", "must be finite"}},
      {"dt that f32 cannot hold", [](C& c) { c.desc.dt = 1e-40; }, {"plan.dt = 1e-40", "f32"}},
      {"dt beyond f32", [](C& c) { c.desc.dt = 1e39; }, {"plan.dt = 1e+39", "f32"}},
      {"no steps", [](C& c) { c.desc.max_steps = 0; }, {"plan.max_steps = 0", "must be 1 to 16777216"}},
      {"too many steps", [](C& c) { c.desc.max_steps = (1 << 24) + 1; }, {"plan.max_steps = 16777217", "must be"}},
      {"early_stop 1", [](C& c) { c.desc.early_stop = 1; }, {"plan.early_stop = 1", "[0, 1)"}},
      {"early_stop negative", [](C& c) { c.desc.early_stop = -1e-9; }, {"plan.early_stop = -1e-09", "[0, 1)"}},
      {"early_stop NaN", [](C& c) { c.desc.early_stop = kNan; }, {"plan.early_stop = nan", "[0, 1)"}},
      {"NaN background", [](C& c) { c.desc.background[1] = kNan; }, {"plan.background[1] = nan", "must be finite"}},
      {"unknown precision",
       [](C& c) { c.desc.precision = static_cast<hp_precision>(5); },
       {"plan.precision = 5", "must be f32 or f64"}},
      {"negative tile", [](C& c) { c.desc.tile = -1; }, {"plan.tile = -1", "must be"}},
      {"huge tile", [](C& c) { c.desc.tile = 1025; }, {"plan.tile = 1025", "1024"}},
  };
  const HpContext context(HP_ISA_AUTO, 1);
  CheckRefusals<C>(refusals, [&] { return C(context); });

  C call(context);
  CHECK(hp_plan_create(nullptr, &call.desc, &call.out) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_plan_create(context.ctx(), nullptr, &call.out) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(std::string(hp_last_error()).find("plan_desc = NULL") != std::string::npos);
  CHECK(hp_plan_create(context.ctx(), &call.desc, nullptr) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(call.Untouched());
  // What f32 refuses, f64 takes; an orthographic camera needs no focal length.
  call.desc.dt = 1e-40;
  call.desc.precision = HP_PRECISION_F64;
  call.camera.model = HP_CAMERA_ORTHOGRAPHIC;
  call.camera.fx = call.camera.fy = 0;
  CHECK(call.Run() == HP_STATUS_OK);
}

TEST_CASE("DenseGridRefusesEveryBadArgumentByName", "[validation]") {
  const HpContext context(HP_ISA_AUTO, 1);
  using C = GridCall;
  CheckRefusals<C>(
      {
          {"not initialised", [](C& c) { c.desc.struct_size = 0; }, {"grid_desc.struct_size = 0", "HP_INIT"}},
          {"colours for the scalar call",
           [](C& c) { c.desc.values.shape[3] = 4; },
           {"grid_desc.values.shape", "hp_field_create_grid_color"}},
          {"rank 3", [](C& c) { c.desc.values.rank = 3; }, {"grid_desc.values.shape", "must be"}},
          {"tensor not initialised",
           [](C& c) { c.desc.values.struct_size = 8; },
           {"grid_desc.values.struct_size = 8", "HP_INIT"}},
          {"no values", [](C& c) { c.desc.values.data = nullptr; }, {"grid_desc.values.data = NULL", "required"}},
          {"f64 values",
           [](C& c) { c.desc.values.dtype = HP_DTYPE_F64; },
           {"grid_desc.values.dtype = 2", "must be f32 or f16"}},
          {"no rows", [](C& c) { c.desc.values.shape[1] = 0; }, {"grid_desc.values.shape[1] = 0", "must be 1 to"}},
          {"negative extent", [](C& c) { c.desc.values.shape[0] = -2; }, {"grid_desc.values.shape[0] = -2", "must be"}},
          {"too long",
           [](C& c) { c.desc.values.shape[0] = 1 << 24; },
           {"grid_desc.values.shape[0] = 16777216", "must be"}},
          {"strides that skip",
           [](C& c) { c.desc.values.strides[1] = 5; },
           {"grid_desc.values.strides[1] = 5", "contiguous"}},
          {"overlapping strides",
           [](C& c) { c.desc.values.strides[0] = 0; },
           {"grid_desc.values.strides[0] = 0", "contiguous"}},
          {"too many voxels",
           [](C& c) {
             const std::int64_t n = 1 << 14;
             c.desc.values = TensorOf(c.grid.values.data(), {n, n, n, 1});
           },
           {"grid_desc.values.shape", "2^31"}},
          {"unknown interpolation",
           [](C& c) { c.desc.interp = static_cast<hp_interp>(3); },
           {"grid_desc.interp = 3", "must be linear or nearest"}},
          {"unknown border",
           [](C& c) { c.desc.border = static_cast<hp_border>(0); },
           {"grid_desc.border = 0", "must be zero or clamp"}},
          {"flat box",
           [](C& c) { c.desc.box_max[1] = c.desc.box_min[1]; },
           {"grid_desc.box axis 1 = [0, 0]", "min < max"}},
          {"box inside out", [](C& c) { c.desc.box_min[2] = 2; }, {"grid_desc.box axis 2 = [2, 1]", "min < max"}},
          {"endless box", [](C& c) { c.desc.box_max[0] = kInf; }, {"grid_desc.box axis 0 = [0, inf]", "finite"}},
          {"NaN box", [](C& c) { c.desc.box_min[0] = kNan; }, {"grid_desc.box axis 0", "finite"}},
          {"singular transform",
           [](C& c) { c.desc.local_to_world.m[10] = 0; },
           {"grid_desc.local_to_world", "singular"}},
          {"NaN transform", [](C& c) { c.desc.local_to_world.m[1] = kNan; }, {"grid_desc.local_to_world", "finite"}},
          {"negative density",
           [](C& c) { c.grid.values[13] = -1; },
           {"grid_desc.values[1, 0, 1, 0] = -1", "density not negative"}},
          {"NaN density",
           [](C& c) { c.grid.values[0] = std::nanf(""); },
           {"grid_desc.values[0, 0, 0, 0] = nan", "must be finite"}},
          {"endless density",
           [](C& c) { c.grid.values[23] = INFINITY; },
           {"grid_desc.values[1, 2, 3, 0] = inf", "must be finite"}},
      },
      [&] { return C(context, 1); });
  CheckRefusals<C>(
      {
          {"five channels", [](C& c) { c.desc.values.shape[3] = 5; }, {"grid_desc.values.shape[3] = 5", "must be 4"}},
          {"one channel", [](C& c) { c.desc.values.shape[3] = 1; }, {"grid_desc.values.shape[3] = 1", "must be 4"}},
          {"NaN colour",
           [](C& c) { c.grid.values[4 * 7 + 2] = std::nanf(""); },
           {"grid_desc.values[0, 1, 3, 2] = nan", "must be finite"}},
          {"negative density",
           [](C& c) { c.grid.values[4 * 7 + 3] = -0.25f; },
           {"grid_desc.values[0, 1, 3, 3] = -0.25", "not negative"}},
      },
      [&] { return C(context, 4); });
  C call(context, 1);
  CHECK(hp_field_create_grid_sigma(nullptr, &call.desc, &call.out) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_field_create_grid_sigma(context.stream(), nullptr, &call.out) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(std::string(hp_last_error()).find("grid_desc = NULL") != std::string::npos);
  CHECK(hp_field_create_grid_sigma(context.stream(), &call.desc, nullptr) == HP_STATUS_INVALID_ARGUMENT);
}

TEST_CASE("NegativeColoursAreNumbersLikeOthers", "[validation]") {
  const HpContext context(HP_ISA_AUTO, 1);
  GridCall call(context, 4);
  call.grid.values[0] = -3;
  CHECK(call.Run() == HP_STATUS_OK);
}

TEST_CASE("HalfGridsAreCheckedValueByValue", "[validation]") {
  const HpContext context(HP_ISA_AUTO, 1);
  DenseGrid grid;
  grid.nx = 3;
  grid.halves = {0x3c00, 0x0001, 0x7bff};  // 1, the least subnormal, 65504
  CHECK_NOTHROW(MakeField(context, grid));
  for (const auto& [bits, text] : {std::pair<int, const char*>{0x7c00, "inf"}, {0x7e00, "nan"}, {0xbc00, "-1"}}) {
    grid.halves[2] = static_cast<std::uint16_t>(bits);
    const hp_grid_desc desc = grid.Desc();
    hp_field* field = nullptr;
    CHECK(hp_field_create_grid_sigma(context.stream(), &desc, &field) == HP_STATUS_INVALID_ARGUMENT);
    CHECK(std::string(hp_last_error()).find(std::string("grid_desc.values[0, 0, 2, 0] = ") + text) !=
          std::string::npos);
    CHECK(field == nullptr);
  }
  grid.halves[2] = 0x8000;  // -0 is not negative
  CHECK_NOTHROW(MakeField(context, grid));
}

TEST_CASE("FieldTellsWhatItIs", "[validation]") {
  const HpContext context(HP_ISA_AUTO, 1);
  DenseGrid grid;
  grid.nz = 2, grid.ny = 3, grid.nx = 4, grid.channels = 28;
  grid.values.assign(24 * 28, 0.0f);
  grid.box_min = {-1, -2, -3};
  grid.box_max = {1, 4, 5};
  grid.local_to_world.m[0] = 0.5;
  const HpField field = MakeField(context, grid);
  hp_field_info info = {};
  CHECK(hp_field_get_info(field.get(), &info) == HP_STATUS_INVALID_ARGUMENT);
  HP_INIT(info);
  CHECK(hp_field_get_info(nullptr, &info) == HP_STATUS_INVALID_ARGUMENT);
  REQUIRE(hp_field_get_info(field.get(), &info) == HP_STATUS_OK);
  CHECK(info.kind == HP_FIELD_POINTWISE);
  CHECK(std::string(info.type) == "dense_grid");
  CHECK(info.channels == 28);
  CHECK(info.sh_degree == 2);
  CHECK(info.storage_dtype == HP_DTYPE_F32);
  CHECK(info.box_min[1] == -2);
  CHECK(info.box_max[2] == 5);
  CHECK(info.min_voxel_world == 0.25);  // x: 0.5 * 2 / 4; y: 6 / 3; z: 8 / 2
  CHECK(info.unbounded == 0);
  CHECK(info.parameter_count == 24 * 28);
  CHECK(info.device_bytes >= 24 * 28 * 4);
}

TEST_CASE("RayStageRefusesByName", "[validation]") {
  using C = RayCall;
  CheckRefusals<C>(
      Together<C>(
          {CommonRefusals<C>(),
           CounterRefusals<C>(),
           RayRefusals<C>(),
           {{"no rays", [](C& c) { c.out = nullptr; }, {"rays = NULL", "required"}},
            {"a plan without a camera",
             [](C& c) { c.plan = TheWorld().no_camera.get(); },
             {"plan.camera = NULL", "required"}},
            {"no pixels", [](C& c) { c.roi.width = 0; }, {"roi = 0,0,0,3", "non-empty rectangle of the 4x3 image"}},
            {"left of the image", [](C& c) { c.roi.x = -1; }, {"roi = -1,0,4,3", "4x3"}},
            {"beyond the right edge", [](C& c) { c.roi.x = 1; }, {"roi = 1,0,4,3", "4x3"}},
            {"below the image", [](C& c) { c.roi.y = 3; }, {"roi = 0,3,4,3", "4x3"}},
            {"an overflowing rectangle",
             [](C& c) {
               c.roi = {1, 1, 2147483647, 2147483647};
             },
             {"roi = 1,1,", "4x3"}},
            {"a pixel too few", [](C& c) { c.roi.height = 2; }, {"rays.origins.shape[0] = 12", "must be 8"}}}}),
      [] { return C(); });
}

TEST_CASE("SampleStageRefusesByName", "[validation]") {
  using C = SampCall;
  CheckRefusals<C>(
      Together<C>(
          {CommonRefusals<C>(),
           CounterRefusals<C>(),
           RayRefusals<C>(),
           InstanceRefusals<C>(),
           {{"no rays", [](C& c) { c.rays_given = nullptr; }, {"rays = NULL", "required"}},
            {"no samples", [](C& c) { c.out = nullptr; }, {"samples = NULL", "required"}},
            {"samples not initialised",
             [](C& c) { c.samples.struct_size = 5; },
             {"samples.struct_size = 5", "HP_INIT"}},
            {"no room", [](C& c) { c.samples.t.shape[1] = 0; }, {"samples.t.shape[1] = 0", "must be >= 1"}},
            {"too little room",
             [](C& c) {
               c.storage = HpSamples<float>(5, 3);
               c.samples = c.storage.View();
             },
             {"samples.t.shape[1] = 3", "must be >= 4"}},
            {"t in f64", [](C& c) { c.samples.t.dtype = HP_DTYPE_F64; }, {"samples.t.dtype = 2", "must be 1"}},
            {"dt of another size", [](C& c) { c.samples.dt.shape[1] = 7; }, {"samples.dt.shape[1] = 7", "must be 6"}},
            {"no sigma", [](C& c) { c.samples.sigma.data = nullptr; }, {"samples.sigma.data = NULL", "required"}},
            {"rgb of rank 2", [](C& c) { c.samples.rgb.rank = 2; }, {"samples.rgb.rank = 2", "must be 3"}},
            {"count in i64",
             [](C& c) { c.samples.count.dtype = HP_DTYPE_I64; },
             {"samples.count.dtype = 6", "must be 5"}},
            {"another number of rays",
             [](C& c) { c.samples.count.shape[0] = 4; },
             {"samples.count.shape[0] = 4", "must be 5"}}}}),
      [] { return C(); });
}

TEST_CASE("MaxCountRefusesByName", "[validation]") {
  using C = MaxCountCall;
  CheckRefusals<C>(
      Together<C>({CommonRefusals<C>(),
                   RayRefusals<C>(),
                   InstanceRefusals<C>(),
                   {{"no rays", [](C& c) { c.rays_given = nullptr; }, {"rays = NULL", "required"}},
                    {"nowhere to write", [](C& c) { c.count_out = nullptr; }, {"out = NULL", "required"}}}}),
      [] { return C(); });
}

TEST_CASE("IntegrateStageRefusesByName", "[validation]") {
  using C = IntCall;
  CheckRefusals<C>(
      Together<C>(
          {CommonRefusals<C>(),
           CounterRefusals<C>(),
           {{"no samples", [](C& c) { c.samples_given = nullptr; }, {"samples = NULL", "required"}},
            {"samples not initialised",
             [](C& c) { c.samples.struct_size = 5; },
             {"samples.struct_size = 5", "HP_INIT"}},
            {"t of rank 1", [](C& c) { c.samples.t.rank = 1; }, {"samples.t", "must be"}},
            {"no rays", [](C& c) { c.samples.t.shape[0] = 0; }, {"samples.t.shape[0] = 0", "must be >= 1"}},
            {"sigma in f64",
             [](C& c) { c.samples.sigma.dtype = HP_DTYPE_F64; },
             {"samples.sigma.dtype = 2", "must be 1"}},
            {"no integrals", [](C& c) { c.out = nullptr; }, {"integrals = NULL", "required"}},
            {"integrals not initialised",
             [](C& c) { c.integrals.struct_size = 5; },
             {"integrals.struct_size = 5", "HP_INIT"}},
            {"rgb of 4", [](C& c) { c.integrals.rgb.shape[1] = 4; }, {"integrals.rgb.shape[1] = 4", "must be 3"}},
            {"no transmittance",
             [](C& c) { c.integrals.transmittance.data = nullptr; },
             {"integrals.transmittance.data = NULL", "required"}},
            {"opacity of rank 2",
             [](C& c) { c.integrals.opacity.rank = 2; },
             {"integrals.opacity.rank = 2", "must be 1"}},
            {"depth of 4", [](C& c) { c.integrals.depth.shape[0] = 4; }, {"integrals.depth.shape[0] = 4", "must be 5"}},
            {"distortion of rank 2",
             [](C& c) { c.integrals.distortion.rank = 2; },
             {"integrals.distortion.rank = 2", "must be 1"}},
            {"end in i64",
             [](C& c) { c.integrals.end.dtype = HP_DTYPE_I64; },
             {"integrals.end.dtype = 6", "must be 5"}}}}),
      [] { return C(); });
}

TEST_CASE("ComposeStageRefusesByName", "[validation]") {
  using C = ImgCall;
  CheckRefusals<C>(
      Together<C>(
          {CommonRefusals<C>(),
           ImageRefusals<C>(),
           {{"no integrals", [](C& c) { c.integrals_given = nullptr; }, {"integrals = NULL", "required"}},
            {"integrals not initialised",
             [](C& c) { c.integrals.struct_size = 5; },
             {"integrals.struct_size = 5", "HP_INIT"}},
            {"rgb of rank 1", [](C& c) { c.integrals.rgb.rank = 1; }, {"integrals.rgb", "must be"}},
            {"depth of 11",
             [](C& c) { c.integrals.depth.shape[0] = 11; },
             {"integrals.depth.shape[0] = 11", "must be 12"}},
            {"a distortion that nothing gives",
             [](C& c) { c.integrals.distortion = NoTensor(); },
             {"integrals.distortion = NULL", "required for img.distortion"}},
            {"another number of pixels", [](C& c) { c.img.rgb.shape[0] = 2; }, {"img", "2x4 pixels for 12 rays"}}}}),
      [] { return C(); });
}

TEST_CASE("FusedStageRefusesByName", "[validation]") {
  using C = FusedCall;
  CheckRefusals<C>(Together<C>({CommonRefusals<C>(),
                                CounterRefusals<C>(),
                                InstanceRefusals<C>(),
                                ImageRefusals<C>(),
                                {{"neither camera nor rays",
                                  [](C& c) { c.plan = TheWorld().no_camera.get(); },
                                  {"plan.camera = NULL", "required"}},
                                 {"no pixels", [](C& c) { c.roi.height = 0; }, {"roi = 0,0,4,0", "4x3"}},
                                 {"beyond the image", [](C& c) { c.roi.y = 1; }, {"roi = 0,1,4,3", "4x3"}},
                                 {"an endless ray through an endless field",
                                  [](C& c) { c.instance.field = TheWorld().clamped.get(); },
                                  {"camera.t_far = inf", "must be finite"}}}}),
                   [] { return C(); });
  auto with_rays = RayRefusals<C>();
  for (auto& refusal : with_rays) {
    refusal.spoil = [spoil = refusal.spoil](C& c) {
      c.GiveRays();
      spoil(c);
    };
  }
  with_rays.push_back({"an image of another width",
                       [](C& c) {
                         c.GiveRays();
                         c.img = c.storage.View();
                       },
                       {"img.rgb.shape[0] = 3", "must be 1"}});
  CheckRefusals<C>(with_rays, [] { return C(); });
}

TEST_CASE("FieldEvaluationRefusesByName", "[validation]") {
  using C = EvaluateCall;
  CheckRefusals<C>(
      Together<C>(
          {CommonRefusals<C>(),
           {{"no positions", [](C& c) { c.positions_given = nullptr; }, {"positions", "required"}},
            {"no directions", [](C& c) { c.directions_given = nullptr; }, {"directions", "required"}},
            {"no place for sigma", [](C& c) { c.sigma_out = nullptr; }, {"sigma", "required"}},
            {"no place for rgb", [](C& c) { c.rgb_out = nullptr; }, {"rgb", "required"}},
            {"no instance", [](C& c) { c.instance_given = nullptr; }, {"instances", "at least one"}},
            {"no field", [](C& c) { c.instance.field = nullptr; }, {"instances[0].field = NULL", "required"}},
            {"positions of rank 1", [](C& c) { c.positions.rank = 1; }, {"positions", "must be"}},
            {"no positions in it", [](C& c) { c.positions.shape[0] = 0; }, {"positions.shape[0] = 0", "must be >= 1"}},
            {"positions in f64", [](C& c) { c.positions.dtype = HP_DTYPE_F64; }, {"positions.dtype = 2", "must be 1"}},
            {"one direction", [](C& c) { c.directions.shape[0] = 1; }, {"directions.shape[0] = 1", "must be 2"}},
            {"one sigma", [](C& c) { c.sigma.shape[0] = 1; }, {"sigma.shape[0] = 1", "must be 2"}},
            {"rgb of 4", [](C& c) { c.rgb.shape[1] = 4; }, {"rgb.shape[1] = 4", "must be 3"}}}}),
      [] { return C(); });
}

TEST_CASE("WhatIsNotWrittenYetSaysSo", "[validation]") {
  World& world = TheWorld();
  hp_hash_mlp_desc mlp = {};
  HP_INIT(mlp);
  hp_field* field = nullptr;
  CHECK(hp_field_create_hash_mlp(world.context.stream(), &mlp, &field) == HP_STATUS_NOT_IMPLEMENTED);
  CHECK(std::string(hp_last_error()).find("hp_field_create_hash_mlp") != std::string::npos);
  CHECK(field == nullptr);
}

TEST_CASE("TheCpuCapturesNoGraphs", "[validation]") {
  World& world = TheWorld();
  if (world.context.cuda()) return;
  hp_graph* graph = nullptr;
  CHECK(hp_graph_begin_capture(world.context.stream()) == HP_STATUS_UNSUPPORTED);
  CHECK(hp_graph_end_capture(world.context.stream(), &graph) == HP_STATUS_UNSUPPORTED);
  CHECK(hp_graph_launch(graph, world.context.stream()) == HP_STATUS_UNSUPPORTED);
  CHECK(graph == nullptr);
}

TEST_CASE("CudaWithoutItsBackendIsUnsupportedNotTheCpu", "[validation]") {
  if (hp_device_count(HP_DEVICE_CUDA) > 0) return;
  CtxCall call;
  call.desc.device = HP_DEVICE_CUDA;
  call.desc.threads = 0;
  // Left out of the build, or on a machine without a driver.
  CHECK(call.Run() == HP_STATUS_UNSUPPORTED);
  CHECK(std::string(hp_last_error()).find("ctx_desc.device = CUDA") != std::string::npos);
  CHECK(call.Untouched());
}

TEST_CASE("ABudgetOfDeviceMemoryIsForCuda", "[validation]") {
  CtxCall call;
  call.desc.memory_budget_bytes = 1 << 20;
  CHECK(call.Run() == HP_STATUS_INVALID_ARGUMENT);
  CHECK(std::string(hp_last_error()).find("memory_budget_bytes = 1048576") != std::string::npos);
  CHECK(call.Untouched());
}

TEST_CASE("NothingToDestroyIsFine", "[validation]") {
  hp_ctx_destroy(nullptr);
  hp_stream_destroy(nullptr);
  hp_field_destroy(nullptr);
  hp_plan_destroy(nullptr);
  hp_graph_destroy(nullptr);
  CHECK(hp_memory_free(TheWorld().context.stream(), nullptr) == HP_STATUS_OK);
}

TEST_CASE("MemoryIsAlignedAndCopied", "[validation]") {
  hp_stream* stream = TheWorld().context.stream();
  void* data = nullptr;
  REQUIRE(hp_memory_allocate(stream, 1000, &data) == HP_STATUS_OK);
  CHECK(reinterpret_cast<std::uintptr_t>(data) % 64 == 0);
  const int in[3] = {7, 8, 9};
  int out[3] = {0, 0, 0};
  CHECK(hp_memory_copy(stream, data, in, sizeof in, HP_COPY_HOST_TO_DEVICE) == HP_STATUS_OK);
  CHECK(hp_memory_copy(stream, out, data, sizeof out, HP_COPY_DEVICE_TO_HOST) == HP_STATUS_OK);
  CHECK(out[2] == 9);
  CHECK(hp_memory_copy(stream, nullptr, in, 4, HP_COPY_HOST_TO_DEVICE) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_memory_copy(stream, data, nullptr, 4, HP_COPY_HOST_TO_DEVICE) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_memory_copy(stream, nullptr, nullptr, 0, HP_COPY_HOST_TO_DEVICE) == HP_STATUS_OK);
  CHECK(hp_memory_copy(nullptr, data, in, 4, HP_COPY_HOST_TO_DEVICE) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_memory_free(stream, data) == HP_STATUS_OK);
  CHECK(hp_memory_allocate(nullptr, 4, &data) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_memory_allocate(stream, 4, nullptr) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_stream_create(nullptr, &stream) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_stream_synchronize(nullptr) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_stream_synchronize(stream) == HP_STATUS_OK);
}

TEST_CASE("EveryWorkspaceSizeIsTold", "[validation]") {
  World& world = TheWorld();
  std::size_t bytes = 99;
  CHECK(hp_ray_workspace_size(world.plan.get(), {0, 0, 4, 3}, &bytes) == HP_STATUS_OK);
  CHECK(hp_samp_workspace_size(world.plan.get(), 12, 6, &bytes) == HP_STATUS_OK);
  CHECK(hp_int_workspace_size(world.plan.get(), 12, 6, &bytes) == HP_STATUS_OK);
  CHECK(hp_img_workspace_size(world.plan.get(), 12, &bytes) == HP_STATUS_OK);
  CHECK(hp_samp_int_fused_workspace_size(world.plan.get(), {0, 0, 4, 3}, 0, &bytes) == HP_STATUS_OK);
  CHECK(hp_field_evaluate_workspace_size(world.field.get(), 12, &bytes) == HP_STATUS_OK);
  CHECK(bytes == 0);  // the CPU needs none
  CHECK(hp_ray_workspace_size(world.plan.get(), {0, 0, 4, 3}, nullptr) == HP_STATUS_INVALID_ARGUMENT);
}

TEST_CASE("StatusAndDtypesHaveNamesAndSizes", "[validation]") {
  CHECK(std::string(hp_status_name(HP_STATUS_OK)) == "OK");
  CHECK(std::string(hp_status_name(HP_STATUS_NOT_IMPLEMENTED)) == "NOT_IMPLEMENTED");
  CHECK(std::string(hp_status_name(static_cast<hp_status>(99))) == "UNKNOWN");
  CHECK(hp_dtype_size(HP_DTYPE_F32) == 4);
  CHECK(hp_dtype_size(HP_DTYPE_F64) == 8);
  CHECK(hp_dtype_size(HP_DTYPE_F16) == 2);
  CHECK(hp_dtype_size(HP_DTYPE_BF16) == 2);
  CHECK(hp_dtype_size(HP_DTYPE_I32) == 4);
  CHECK(hp_dtype_size(HP_DTYPE_I64) == 8);
  CHECK(hp_dtype_size(HP_DTYPE_U8) == 1);
  CHECK(hp_dtype_size(static_cast<hp_dtype>(0)) == 0);
}

TEST_CASE("ErrorsBelongToTheThreadThatMadeThem", "[validation]") {
  CHECK(hp_stream_synchronize(nullptr) == HP_STATUS_INVALID_ARGUMENT);
  std::string elsewhere = "?";
  std::thread([&] { elsewhere = hp_last_error(); }).join();
  CHECK(elsewhere.empty());
  CHECK(std::string(hp_last_error()).find("stream") != std::string::npos);
  CHECK(hp_stream_synchronize(TheWorld().context.stream()) == HP_STATUS_OK);
  CHECK(std::string(hp_last_error()).empty());
}

TEST_CASE("OneRayIsAnImageOfOnePixel", "[validation]") {
  FusedCall call;
  call.GiveRays();
  call.rays = call.given.View(2, 1);
  call.img = call.row.View(2, 0, 1, 1);
  REQUIRE(call.Run() == HP_STATUS_OK);
  CHECK(std::isnan(call.row.opacity[1]));
  CHECK(call.row.opacity[2] == Approx(1 - std::exp(-1.0)));
  CHECK(std::isnan(call.row.opacity[3]));
}

TEST_CASE("AbsentImagesAreNotWritten", "[validation]") {
  FusedCall call;
  call.img.rgb.data = nullptr;
  call.img.hit.data = nullptr;
  call.counters.data = nullptr;
  REQUIRE(call.Run() == HP_STATUS_OK);
  CHECK(AllNan(call.storage.rgb));
  CHECK(AllNan(call.storage.hit));
  CHECK_FALSE(AllNan(call.storage.opacity));
  CHECK(call.CountersUntouched());
}

TEST_CASE("RadianceAloneTellsTheShapeOfAnImage", "[validation]") {
  ImgCall call;
  for (hp_tensor* t : {&call.img.rgb, &call.img.opacity, &call.img.transmittance, &call.img.depth, &call.img.distortion,
                       &call.img.hit}) {
    *t = NoTensor();
  }
  REQUIRE(call.Run() == HP_STATUS_OK);
  CHECK(call.storage.radiance[35] == 0.5f);
}

TEST_CASE("CountersAreAddedToNeverReset", "[validation]") {
  FusedCall call;
  call.counter_values[HP_COUNTER_RAYS] = 1000;
  REQUIRE(call.Run() == HP_STATUS_OK);
  CHECK(call.counter_values[HP_COUNTER_RAYS] == 1012);
  const std::int64_t samples = call.counter_values[HP_COUNTER_SAMPLES];
  CHECK(samples > 0);
  REQUIRE(call.Run() == HP_STATUS_OK);
  CHECK(call.counter_values[HP_COUNTER_RAYS] == 1024);
  CHECK(call.counter_values[HP_COUNTER_SAMPLES] == 2 * samples);
}

}  // namespace dvren::test
