// Planning: what is refused, how images are cut, and the cache of plans.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include "support/render_fixture.h"

namespace dvren::test {
namespace {

using Catch::Matchers::Contains;

PlanSpec Good(double dt = 0.1) {
  PlanSpec spec;
  spec.camera = OrbitCamera(Box{{-1, -1, -1}, {1, 1, 1}}, 30, 20, 0, 40, 200, 150);
  spec.sampling.dt = dt;
  return spec;
}

template <class Change>
std::string Refusal(Change change) {
  PlanSpec spec = Good();
  change(spec);
  const absl::Status status = Planner::Make(Cpu(), spec).status();
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST_CASE("Plan refusals name field, value and remedy") {
  CHECK(Refusal([](PlanSpec& s) { s.sampling.dt = -0.1; }) == "sampling.dt = -0.1: must be finite and > 0 world units");
  CHECK_THAT(Refusal([](PlanSpec& s) { s.sampling.dt = 0; }), Contains("sampling.dt = 0"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.sampling.dt = std::nan(""); }), Contains("sampling.dt = nan"));
  CHECK(Refusal([](PlanSpec& s) { s.sampling.max_steps = 0; }) == "sampling.max_steps = 0: must be 1 to 16777216");
  CHECK_THAT(Refusal([](PlanSpec& s) { s.sampling.max_steps = kMaxSteps + 1; }), Contains("16777217"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.sampling.early_stop = 1; }), Contains("sampling.early_stop = 1"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.sampling.early_stop = -1e-9; }), Contains("sampling.early_stop"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.background[2] = std::nan(""); }), Contains("background[2] = nan"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.aovs = 0; }), Contains("aovs = none"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.aovs = 65; }), Contains("aovs = 0x41"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.tile = -1; }), Contains("tile = -1"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.camera->width = 0; }), Contains("camera.width = 0"));
}

TEST_CASE("A region outside the image or empty is refused") {
  CHECK_THAT(Refusal([](PlanSpec& s) { s.roi = Roi{0, 0, 0, 5}; }), Contains("roi = (0, 0, 0, 5)"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.roi = Roi{-1, 0, 5, 5}; }), Contains("inside the image of 200 x 150"));
  CHECK_THAT(Refusal([](PlanSpec& s) { s.roi = Roi{199, 0, 2, 5}; }), Contains("inside the image"));
  constexpr int kMax = std::numeric_limits<int>::max();
  CHECK_THAT(Refusal([](PlanSpec& s) { s.roi = Roi{kMax, kMax, kMax, kMax}; }), Contains("inside the image"));
  CHECK_THAT(Refusal([](PlanSpec& s) {
               s.camera.reset();
               s.roi = Roi{0, 0, 1, 1};
             }),
             Contains("needs a camera"));
}

TEST_CASE("Tiles cover every pixel of the region once, row by row") {
  PlanSpec spec = Good();
  spec.roi = Roi{11, 7, 100, 61};
  spec.tile = GENERATE(1, 7, 64, 100, 1000, std::numeric_limits<int>::max());
  const auto plan = Get(Planner::Make(Cpu(), spec));
  std::set<std::pair<int, int>> pixels;
  for (const Roi& tile : plan->tiles()) {
    REQUIRE(tile.width >= 1);
    REQUIRE(tile.width <= spec.tile);
    REQUIRE(tile.height <= spec.tile);
    for (int y = tile.y; y < tile.y + tile.height; ++y) {
      for (int x = tile.x; x < tile.x + tile.width; ++x) REQUIRE(pixels.insert({y, x}).second);
    }
  }
  CHECK(pixels.size() == 100 * 61);
  CHECK(*pixels.begin() == std::pair{7, 11});
  CHECK(*pixels.rbegin() == std::pair{67, 110});
}

TEST_CASE("Without a region the whole image is rendered, in default tiles") {
  PlanSpec spec = Good();
  CHECK(Get(Planner::Make(Cpu(), spec))->roi() == Roi{0, 0, 200, 150});
  CHECK(Get(Planner::Make(Cpu(), spec))->tiles().size() == 2 * 2);
  spec.precision = Precision::kF64;
  CHECK(Get(Planner::Make(Cpu(), spec))->tiles().size() == 4 * 3);
}

TEST_CASE("An image cut into more tiles than can be listed is refused") {
  CHECK_THAT(Refusal([](PlanSpec& s) {
               s.camera->width = s.camera->height = 4096;
               s.tile = 1;
             }),
             Contains("tile = 1") && Contains("16777216 tiles"));
}

TEST_CASE("A plan for given rays has no tiles") {
  PlanSpec spec = Good();
  spec.camera.reset();
  const auto plan = Get(Planner::Make(Cpu(), spec));
  CHECK(plan->tiles().empty());
  CHECK(plan->roi() == Roi{});
}

TEST_CASE("The cache gives one plan for equal specs and others for specs that differ in a bit") {
  PlanCache cache;
  const auto first = Get(cache.Get(Cpu(), Good()));
  CHECK(Get(cache.Get(Cpu(), Good())).get() == first.get());
  std::set<const Plan*> distinct{first.get()};
  std::vector<std::shared_ptr<const Plan>> keep;
  const auto differs = [&](auto change) {
    PlanSpec spec = Good();
    change(spec);
    keep.push_back(Get(cache.Get(Cpu(), spec)));
    CHECK(distinct.insert(keep.back().get()).second);
    CHECK(Get(cache.Get(Cpu(), spec)).get() == keep.back().get());
  };
  differs([](PlanSpec& s) { s.sampling.dt = std::nextafter(s.sampling.dt, 1); });
  differs([](PlanSpec& s) { s.sampling.seed = 1; });
  differs([](PlanSpec& s) { s.sampling.max_steps = 5; });
  differs([](PlanSpec& s) { s.sampling.early_stop = 0; });
  differs([](PlanSpec& s) { s.sampling.skip_empty = false; });
  differs([](PlanSpec& s) { s.sampling.mode = SamplingMode::kStratified; });
  differs([](PlanSpec& s) { s.background[1] = 1; });
  differs([](PlanSpec& s) { s.aovs = kAovDepth; });
  differs([](PlanSpec& s) { s.precision = Precision::kF64; });
  differs([](PlanSpec& s) { s.tile = 32; });
  differs([](PlanSpec& s) { s.kernel_tile = 16; });
  differs([](PlanSpec& s) { s.roi = Roi{0, 0, 200, 150}; });
  differs([](PlanSpec& s) { s.camera.reset(); });
  differs([](PlanSpec& s) { s.camera->t_near = 0.5; });
  differs([](PlanSpec& s) { s.camera->t_far = 50; });
  differs([](PlanSpec& s) { std::get<PinholeModel>(s.camera->model).k3 = 1e-12; });
  differs([](PlanSpec& s) { s.camera->keyframes[0].camera_to_world.m[11] += 1e-9; });
  // The same numbers as another lens.
  differs([](PlanSpec& s) {
    const PinholeModel m = std::get<PinholeModel>(s.camera->model);
    s.camera->model = FisheyeModel{m.fx, m.fy, m.cx, m.cy};
  });
  CHECK(cache.size() == distinct.size());
}

TEST_CASE("The cache forgets the plan that was used least recently") {
  PlanCache cache(2);
  const auto a = Get(cache.Get(Cpu(), Good(1))), b = Get(cache.Get(Cpu(), Good(2)));
  CHECK(Get(cache.Get(Cpu(), Good(1))).get() == a.get());
  const auto c = Get(cache.Get(Cpu(), Good(3)));
  CHECK(cache.size() == 2);
  CHECK(Get(cache.Get(Cpu(), Good(1))).get() == a.get());
  CHECK(Get(cache.Get(Cpu(), Good(3))).get() == c.get());
  CHECK(Get(cache.Get(Cpu(), Good(2))).get() != b.get());
  CHECK(b->spec().sampling.dt == 2);  // whoever holds a forgotten plan keeps it
}

TEST_CASE("A refused spec leaves nothing in the cache") {
  PlanCache cache;
  CHECK_FALSE(cache.Get(Cpu(), Good(-1)).ok());
  CHECK(cache.size() == 0);
}

TEST_CASE("A plan keeps its device, and the device's own cache does not") {
  auto device = Get(Device::Create({.threads = 1}));
  const std::weak_ptr<Device> alive = device;
  auto plan = Get(device->plans().Get(device, Good()));
  device.reset();
  CHECK_FALSE(alive.expired());
  CHECK(plan->device() == alive.lock().get());
  plan.reset();
  CHECK(alive.expired());
}

TEST_CASE("Many threads may ask one cache at once") {
  PlanCache cache(3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const double dt = 1 + (i + t) % 5;
        const auto plan = cache.Get(Cpu(), Good(dt));
        if (!plan.ok() || (*plan)->spec().sampling.dt != dt || cache.size() > 3) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(cache.size() == 3);
}

}  // namespace
}  // namespace dvren::test
