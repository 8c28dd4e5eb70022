// Renders against each other, bit for bit: regions, tiles, paths, threads; what is counted; what is refused.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/render_fixture.h"

namespace dvren::test {
namespace {

using Catch::Matchers::Contains;

PlanSpec Spec() {
  PlanSpec spec;
  spec.camera = OrbitCamera(Box{{-1, -1, -1}, {1, 1, 1}}, 30, 20, 0, 40, 61, 47);
  spec.sampling.dt = 0.043;
  spec.background = {0.1, 0.2, 0.3};
  spec.aovs = kEveryAov;
  return spec;
}

struct Variant {
  const char* name;
  SamplingMode mode = SamplingMode::kFixed;
  Precision precision = Precision::kF32;
  double early_stop = 1e-4;
};
Variant EveryVariant() {
  return GENERATE(Variant{"fixed"}, Variant{.name = "stratified", .mode = SamplingMode::kStratified},
                  Variant{.name = "no early stop", .early_stop = 0},
                  Variant{.name = "f64", .precision = Precision::kF64});
}
PlanSpec SpecOf(const Variant& variant) {
  PlanSpec spec = Spec();
  spec.sampling.mode = variant.mode;
  spec.sampling.seed = 42;
  spec.sampling.early_stop = variant.early_stop;
  spec.precision = variant.precision;
  return spec;
}

Frame Render(Stream& stream, const Scene& scene, const PlanSpec& spec, RenderPath path = RenderPath::kFused) {
  return Get(Renderer(path).Render(stream, *Get(Planner::Make(stream.device(), spec)), scene));
}

TEST_CASE("The picture is not trivial") {
  Stream stream = Get(Cpu()->CreateStream());
  const std::vector<double> opacity = Values(stream, Render(stream, SceneOf(stream, Blobs(20)), Spec()).opacity);
  int clear = 0, dense = 0, between = 0;
  for (double o : opacity) (o == 0 ? clear : o > 0.99 ? dense : between) += 1;
  CHECK(clear > 100);
  CHECK(dense > 50);
  CHECK(between > 100);
}

TEST_CASE("Tiles of any size give the same bits and counts") {
  const Variant variant = EveryVariant();
  INFO(variant.name);
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(20));
  PlanSpec spec = SpecOf(variant);
  const Frame whole = Render(stream, scene, spec);
  for (int tile : {1, 5, 16, 33}) {
    spec.tile = tile;
    spec.kernel_tile = tile % 16;
    const Frame tiled = Render(stream, scene, spec);
    INFO("tile " << tile);
    CHECK(Bits(stream, tiled) == Bits(stream, whole));
    CHECK(tiled.stats.rays == whole.stats.rays);
    CHECK(tiled.stats.samples == whole.stats.samples);
    CHECK(tiled.stats.early_stopped == whole.stats.early_stopped);
  }
}

TEST_CASE("Regions are pieces of the whole image, bit for bit") {
  const Variant variant = EveryVariant();
  INFO(variant.name);
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(20));
  PlanSpec spec = SpecOf(variant);
  const std::vector<double> rgb = Values(stream, Render(stream, scene, spec).rgb);
  for (const Roi& roi : {Roi{0, 0, 61, 1}, Roi{17, 9, 23, 31}, Roi{60, 46, 1, 1}, Roi{3, 40, 50, 7}}) {
    spec.roi = roi;
    spec.tile = 8;
    const std::vector<double> piece = Values(stream, Render(stream, scene, spec).rgb);
    REQUIRE(piece.size() == static_cast<std::size_t>(roi.width * roi.height * 3));
    int different = 0;
    for (int y = 0; y < roi.height; ++y) {
      for (int x = 0; x < 3 * roi.width; ++x) {
        different += piece[y * roi.width * 3 + x] != rgb[((roi.y + y) * 61 + roi.x) * 3 + x] ? 1 : 0;
      }
    }
    CHECK(different == 0);
  }
}

TEST_CASE("The staged path gives the fused path's bits") {
  const Variant variant = EveryVariant();
  INFO(variant.name);
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(20));
  PlanSpec spec = SpecOf(variant);
  spec.sampling.skip_empty = GENERATE(false, true);
  const Frame fused = Render(stream, scene, spec), staged = Render(stream, scene, spec, RenderPath::kStaged);
  CHECK(Bits(stream, fused) == Bits(stream, staged));
  CHECK(fused.stats.rays == staged.stats.rays);
  CHECK(fused.stats.early_stopped == staged.stats.early_stopped);
}

TEST_CASE("The staged path gives the same bits where samples need several chunks") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(20));
  PlanSpec spec = Spec();
  spec.roi = Roi{20, 10, 16, 16};
  spec.sampling.dt = 2e-4;  // some 15,000 samples per ray: more than 64 MiB for 256 rays
  spec.sampling.mode = SamplingMode::kStratified;
  CHECK(Bits(stream, Render(stream, scene, spec)) == Bits(stream, Render(stream, scene, spec, RenderPath::kStaged)));
}

TEST_CASE("Skipping empty space changes no bits and never takes more samples") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(40));
  PlanSpec spec = Spec();
  spec.sampling.early_stop = 0;
  const Frame skipped = Render(stream, scene, spec);
  spec.sampling.skip_empty = false;
  const Frame full = Render(stream, scene, spec);
  CHECK(Bits(stream, skipped) == Bits(stream, full));
  CHECK(skipped.stats.samples <= full.stats.samples);
}

TEST_CASE("Any number of threads and any instruction set give the same bits") {
  const Variant variant = EveryVariant();
  INFO(variant.name);
  const PlanSpec spec = SpecOf(variant);
  Stream reference_stream = Get(Cpu()->CreateStream());
  const std::vector<std::uint8_t> reference =
      Bits(reference_stream, Render(reference_stream, SceneOf(reference_stream, Blobs(20)), spec));
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    for (int threads : {1, 4}) {
      const auto device = Device::Create({.threads = threads, .isa = isa});
      if (!device.ok()) {
        WARN("skipped: " << device.status().message());
        continue;
      }
      Stream stream = Get((*device)->CreateStream());
      INFO((*device)->info().isa << " with " << threads << " threads");
      CHECK(Bits(stream, Render(stream, SceneOf(stream, Blobs(20)), spec)) == reference);
    }
  }
}

TEST_CASE("Given rays render as the pixels they pass through") {
  const RenderPath path = GENERATE(RenderPath::kFused, RenderPath::kStaged);
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(20));
  PlanSpec spec = Spec();
  spec.precision = Precision::kF64;
  const std::vector<double> image = Values(stream, Render(stream, scene, spec).rgb);
  const auto& lens = std::get<PinholeModel>(spec.camera->model);
  const auto& m = spec.camera->camera_to_world().m;
  Rays rays;
  for (int y = 0; y < 47; ++y) {
    for (int x = 0; x < 61; ++x) {
      const Vec3 camera{(x + 0.5 - lens.cx) / lens.fx, (y + 0.5 - lens.cy) / lens.fy, 1};
      Vec3 d{};
      for (int i = 0; i < 3; ++i) d[i] = m[4 * i] * camera[0] + m[4 * i + 1] * camera[1] + m[4 * i + 2] * camera[2];
      const double length = std::hypot(d[0], d[1], d[2]);
      rays.Add({m[3], m[7], m[11]}, {d[0] / length, d[1] / length, d[2] / length});
    }
  }
  const Frame frame = rays.Render(stream, scene, spec, path);
  CHECK(frame.rgb.shape() == std::vector<std::int64_t>{1, 61 * 47, 3});
  CHECK(frame.stats.rays == 61 * 47);
  const std::vector<double> given = Values(stream, frame.rgb);
  double worst = 0;
  for (std::size_t i = 0; i < image.size(); ++i) worst = std::max(worst, std::abs(given[i] - image[i]));
  CHECK(worst < 1e-9);
}

TEST_CASE("Ray ids are the keys of stratified sampling") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(20));
  PlanSpec spec = Spec();
  spec.camera.reset();
  spec.sampling.mode = SamplingMode::kStratified;
  const auto plan = Get(Planner::Make(Cpu(), spec));
  const RenderPath path = GENERATE(RenderPath::kFused, RenderPath::kStaged);
  constexpr int kCount = 40;
  std::vector<float> origins, directions;
  std::vector<std::int64_t> index, same;
  for (int i = 0; i < kCount; ++i) {
    origins.insert(origins.end(), {-2, 0.21f, 0.05f});
    directions.insert(directions.end(), {1, 0, 0});
    index.push_back(i);
    same.push_back((std::int64_t{1} << 40) + 5);
  }
  RayBatch batch{.count = kCount, .origins = origins.data(), .directions = directions.data()};
  const std::vector<double> by_default =
      Values(stream, Get(Renderer(path).RenderRays(stream, *plan, scene, batch)).rgb);
  batch.ids = index.data();
  CHECK(Values(stream, Get(Renderer(path).RenderRays(stream, *plan, scene, batch)).rgb) == by_default);
  CHECK(by_default[0] != by_default[3]);
  batch.ids = same.data();
  const std::vector<double> equal = Values(stream, Get(Renderer(path).RenderRays(stream, *plan, scene, batch)).rgb);
  for (int i = 1; i < kCount; ++i) CHECK(equal[3 * i] == equal[0]);
}

TEST_CASE("Only the images asked for are made") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(8));
  PlanSpec spec = Spec();
  const Frame all = Render(stream, scene, spec);
  CHECK(all.rgb.shape() == std::vector<std::int64_t>{47, 61, 3});
  CHECK(all.depth.shape() == std::vector<std::int64_t>{47, 61});
  spec.aovs = kAovDepth;
  const RenderPath path = GENERATE(RenderPath::kFused, RenderPath::kStaged);
  const Frame frame = Render(stream, scene, spec, path);
  CHECK_FALSE((frame.rgb.defined() || frame.opacity.defined() || frame.transmittance.defined() || frame.hit.defined()));
  CHECK(Values(stream, frame.depth) == Values(stream, all.depth));
}

// ---- counts ---------------------------------------------------------------------------------------------------

PlanSpec SlabSpec() {  // 8 x 4 pixels, all over the box [-1, 1]^3, rays enter at t = 4 and leave at t = 6
  PlanSpec spec;
  Camera camera;
  camera.width = 8;
  camera.height = 4;
  camera.model = OrthographicModel{1};
  camera.keyframes[0].camera_to_world.m[11] = -5;
  spec.camera = camera;
  spec.aovs = kEveryAov;
  spec.sampling.dt = 0.25;
  spec.sampling.early_stop = 0;
  return spec;
}
constexpr Box kCube{{-1, -1, -1}, {1, 1, 1}};

TEST_CASE("Rays and samples are counted") {
  const RenderPath path = GENERATE(RenderPath::kFused, RenderPath::kStaged);
  Stream stream = Get(Cpu()->CreateStream());
  const Frame frame = Render(stream, SceneOf(stream, Constant(1, kCube)), SlabSpec(), path);
  CHECK(frame.stats.rays == 32);
  CHECK(frame.stats.samples == 32 * 8);
  CHECK(frame.stats.early_stopped == 0);
  CHECK(frame.stats.truncated == 0);
  CHECK(frame.stats.invalid == 0);
  CHECK(frame.stats.wall_seconds > 0);
}

TEST_CASE("Rays cut by max_steps are counted and keep what they have seen") {
  const RenderPath path = GENERATE(RenderPath::kFused, RenderPath::kStaged);
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Constant(1, kCube));
  PlanSpec spec = SlabSpec();
  spec.sampling.max_steps = 5;
  const Frame frame = Render(stream, scene, spec, path);
  CHECK(frame.stats.truncated == 32);
  CHECK(frame.stats.samples == 32 * 5);
  CHECK(Values(stream, frame.opacity)[0] == Approx(-std::expm1(-1.25)).epsilon(0).margin(1e-6));
  spec.sampling.max_steps = 8;
  CHECK(Render(stream, scene, spec, path).stats.truncated == 0);
}

TEST_CASE("Rays ended by early stop are counted, and give the rest to the background") {
  const RenderPath path = GENERATE(RenderPath::kFused, RenderPath::kStaged);
  Stream stream = Get(Cpu()->CreateStream());
  PlanSpec spec = SlabSpec();
  spec.sampling.early_stop = 0.1;
  const Frame frame = Render(stream, SceneOf(stream, Constant(4, kCube)), spec, path);
  CHECK(frame.stats.early_stopped == 32);
  // T after 3 segments of optical depth 1 is 0.0498 < 0.1.
  CHECK(Values(stream, frame.transmittance)[5] == Approx(std::exp(-3.0)).epsilon(1e-5));
}

TEST_CASE("Pixels outside the lens show the background and are counted") {
  const RenderPath path = GENERATE(RenderPath::kFused, RenderPath::kStaged);
  Stream stream = Get(Cpu()->CreateStream());
  PlanSpec spec = Spec();
  spec.camera->model =
      FisheyeModel{.fx = 8, .fy = 8, .cx = 30.5, .cy = 23.5};  // the radius of theta = pi is 25.1 pixels
  const auto& m = spec.camera->camera_to_world().m;
  const Box around{{m[3] - 1, m[7] - 1, m[11] - 1}, {m[3] + 1, m[7] + 1, m[11] + 1}};
  const Frame frame = Render(stream, SceneOf(stream, Constant(1, around)), spec, path);
  const std::vector<double> opacity = Values(stream, frame.opacity), rgb = Values(stream, frame.rgb);
  std::int64_t outside = 0;
  for (int y = 0; y < 47; ++y) {
    for (int x = 0; x < 61; ++x) {
      const bool beyond = std::hypot(x - 30.0, y - 23.0) > 8 * std::acos(-1.0);
      outside += beyond ? 1 : 0;
      REQUIRE((opacity[61 * y + x] == 0) == beyond);
      if (beyond) REQUIRE(rgb[3 * (61 * y + x)] == Approx(0.1));
    }
  }
  CHECK(frame.stats.invalid == outside);
  CHECK(frame.stats.rays == 61 * 47);
}

// ---- control and refusals -------------------------------------------------------------------------------------

TEST_CASE("A cancelled render ends between tiles with CANCELLED") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(8));
  PlanSpec spec = Spec();
  spec.tile = 16;
  const auto plan = Get(Planner::Make(Cpu(), spec));
  int asked = 0;
  const auto frame = Renderer().Render(stream, *plan, scene, [&] { return ++asked > 2; });
  CHECK(frame.status().code() == absl::StatusCode::kCancelled);
  CHECK_THAT(std::string(frame.status().message()), Contains("after 2 of 12 tiles"));
}

TEST_CASE("Tile by tile is the whole render, in any order") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(20));
  PlanSpec spec = Spec();
  spec.tile = 16;
  const auto plan = Get(Planner::Make(Cpu(), spec));
  const Renderer renderer;
  Frame frame = Get(renderer.MakeFrame(stream, *plan));
  for (std::size_t i = plan->tiles().size(); i-- > 0;) Check(renderer.RenderTile(stream, *plan, scene, i, frame));
  CHECK(Bits(stream, frame) == Bits(stream, Get(renderer.Render(stream, *plan, scene))));
  const absl::Status status = renderer.RenderTile(stream, *plan, scene, 12, frame);
  CHECK_THAT(std::string(status.message()), Contains("tile_index = 12: the plan has 12 tiles"));
}

TEST_CASE("A frame of another plan is refused") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(8));
  PlanSpec spec = Spec();
  const auto plan = Get(Planner::Make(Cpu(), spec));
  spec.roi = Roi{0, 0, 10, 10};
  const auto smaller = Get(Planner::Make(Cpu(), spec));
  Frame frame = Get(Renderer().MakeFrame(stream, *smaller));
  CHECK_THAT(std::string(Renderer().RenderTile(stream, *plan, scene, 0, frame).message()), Contains("use MakeFrame"));
}

TEST_CASE("Plans, fields and streams of different devices are refused") {
  Stream stream = Get(Cpu()->CreateStream());
  const auto other = Get(Device::Create({.threads = 1}));
  Stream other_stream = Get(other->CreateStream());
  const Scene here = SceneOf(stream, Blobs(4)), there = SceneOf(other_stream, Blobs(4));
  const auto plan = Get(Planner::Make(Cpu(), Spec()));
  CHECK_THAT(std::string(Renderer().Render(stream, *plan, there).status().message()), Contains("field.device"));
  CHECK_THAT(std::string(Renderer().Render(other_stream, *plan, there).status().message()), Contains("plan.device"));
  CHECK(Renderer().Render(stream, *plan, here).ok());
}

TEST_CASE("Steps too small to be counted are refused before anything starts") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Constant(1, kCube));
  PlanSpec spec = SlabSpec();
  spec.camera->keyframes[0].camera_to_world.m[11] = -1000;  // the box ends at 1001
  spec.sampling.dt = 1000.0 / (1 << 24);
  auto plan = Get(Planner::Make(Cpu(), spec));
  const absl::Status status = ValidatePlanForScene(*plan, scene);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK_THAT(std::string(status.message()), Contains("sampling.dt = ") && Contains("raise t_near or dt"));
  CHECK(Renderer().Render(stream, *plan, scene).status() == status);
  spec.camera->t_near = 998;
  CHECK(ValidatePlanForScene(*Get(Planner::Make(Cpu(), spec)), scene).ok());
  spec.camera->t_near = 0;
  spec.camera->t_far = 900;
  CHECK(ValidatePlanForScene(*Get(Planner::Make(Cpu(), spec)), scene).ok());
  spec.camera->t_far = std::numeric_limits<double>::infinity();
  spec.sampling.dt = 1002.0 / (1 << 24);
  CHECK(ValidatePlanForScene(*Get(Planner::Make(Cpu(), spec)), scene).ok());
}

TEST_CASE("Images need a camera, and given rays need none") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(4));
  PlanSpec spec = Spec();
  const auto with = Get(Planner::Make(Cpu(), spec));
  spec.camera.reset();
  const auto without = Get(Planner::Make(Cpu(), spec));
  CHECK_THAT(std::string(Renderer().Render(stream, *without, scene).status().message()),
             Contains("plan.camera = none"));
  const float origin[3] = {-2, 0, 0}, direction[3] = {1, 0, 0};
  const RayBatch batch{.count = 1, .origins = origin, .directions = direction};
  CHECK_THAT(std::string(Renderer().RenderRays(stream, *with, scene, batch).status().message()),
             Contains("plan.camera = given"));
  CHECK(Renderer().RenderRays(stream, *without, scene, batch).ok());
}

TEST_CASE("Bad rays are refused by their index") {
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Blobs(4));
  PlanSpec spec = Spec();
  spec.camera.reset();
  const auto plan = Get(Planner::Make(Cpu(), spec));
  float origins[9] = {-2, 0, 0, -2, 0, 0, -2, 0, 0}, directions[9] = {1, 0, 0, 1, 0, 0, 1, 0, 0};
  float t_near[3] = {0, 0, 0}, t_far[3] = {5, -1, std::numeric_limits<float>::infinity()};
  const RayBatch batch{.count = 3, .origins = origins, .directions = directions, .t_near = t_near, .t_far = t_far};
  const auto message = [&](const RayBatch& rays) {
    return std::string(Renderer().RenderRays(stream, *plan, scene, rays).status().message());
  };
  CHECK(message(batch).empty());
  const auto with = [&](float& place, float value) {
    const float before = std::exchange(place, value);
    const std::string text = message(batch);
    place = before;
    return text;
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  CHECK(with(origins[5], kNan) == "rays.origins[1][2] = nan: must be finite");
  CHECK(with(directions[7], kNan) == "rays.directions[2][1] = nan: must be finite");
  CHECK(with(directions[3], 1.01f) ==
        "rays.directions[1] = a vector of length 1.01: must be of unit length within 0.001; normalise it");
  CHECK(with(directions[3], 1.0009f).empty());
  CHECK(with(t_near[1], -1) == "rays.t_near[1] = -1: must be finite and >= 0");
  CHECK_THAT(with(t_far[2], kNan), Contains("rays.t_far[2] = nan"));
  CHECK_THAT(message({.count = 0, .origins = origins, .directions = directions}), Contains("rays.count = 0"));
  CHECK_THAT(message({.count = std::int64_t{1} << 31, .origins = origins, .directions = directions}),
             Contains("rays.count = 2147483648"));
  CHECK_THAT(message({.count = 1, .directions = directions}), Contains("rays.origins = none"));
  CHECK_THAT(message({.count = 1, .origins = origins}), Contains("rays.directions = none"));
}

}  // namespace
}  // namespace dvren::test
