// Regularisers as a trainer applies them, against PyTorch: what a step of plain descent does with one, less what it
// does without.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "absl/strings/str_join.h"
#include "dvren/core/device.h"
#include "dvren/core/stream.h"
#include "dvren/train/regularisers.h"
#include "dvren/train/trainer.h"
#include "unit/io/io_fixture.h"
#include "unit/train/reference.h"

namespace dvren::test {
namespace {

using io::test::Get;
using io::test::Ok;

constexpr double kStepVoxels = 0.7;
constexpr double kRate = 64;  // so that a step is large beside what rounding the values to f32 takes from it
constexpr std::size_t kRays = 400;

// One block of 8^3 voxels, so that rays through all of it touch all that smoothing looks at.
TrainingSpec Descent() {
  TrainingSpec spec;
  spec.steps = 2;
  spec.seed = 11;
  spec.step_voxels = kStepVoxels;
  spec.early_stop = 0;
  spec.field.box = {{-0.7, -0.6, -0.8}, {0.7, 0.8, 0.6}};
  spec.stages = {{0, 8, kRays}};
  spec.optimizer.kind = "sgd";
  spec.optimizer.density_rate = spec.optimizer.color_rate = kRate;
  spec.schedule.kind = "constant";
  return spec;
}

// Of points all around to points inside; far more than there are voxels.
struct Rays {
  std::vector<float> origins, directions, target = std::vector<float>(3 * kRays, 0.9f);
};

Rays RaysThrough(const Box& box) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::normal_distribution<double> normal;
  Rays rays;
  for (std::size_t i = 0; i < kRays; ++i) {
    double from[3], to[3], length = 0;
    for (double& x : from) x = normal(random);
    const double radius = std::hypot(from[0], from[1], from[2]);
    for (std::size_t k = 0; k < 3; ++k) {
      from[k] *= 2 / radius;
      to[k] = box.min[k] + uniform(random) * (box.max[k] - box.min[k]) - from[k];
      length += to[k] * to[k];
    }
    for (std::size_t k = 0; k < 3; ++k) {
      rays.origins.push_back(static_cast<float>(from[k]));
      rays.directions.push_back(static_cast<float>(to[k] / std::sqrt(length)));
    }
  }
  return rays;
}

std::vector<float> ValuesOf(const io::DenseVolume& grid) {
  const auto* values = reinterpret_cast<const float*>(grid.values.data());
  return {values, values + grid.values.size() / sizeof(float)};
}

std::vector<float> RandomValues(std::size_t count) {
  std::mt19937 random(4);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

// Values after one step.
std::vector<float> Stepped(const TrainingSpec& spec, const Rays& rays, const std::vector<float>& values) {
  DeviceOptions options;
  options.threads = 1;
  Stream stream = Get(Get(Device::Create(options))->CreateStream());
  const auto trainer = Get(Trainer::Make(stream, spec, nullptr));
  Ok(trainer->SetValues(stream, values, {}));
  TrainingBatch batch;
  batch.rays.count = static_cast<std::int64_t>(kRays);
  batch.rays.origins = rays.origins.data();
  batch.rays.directions = rays.directions.data();
  batch.target = rays.target.data();
  Ok(trainer->Step(stream, batch).status());
  return ValuesOf(Get(trainer->Snapshot(stream)));
}

io::DenseVolume GridOf(const TrainingSpec& spec) {
  DeviceOptions options;
  options.threads = 1;
  Stream stream = Get(Get(Device::Create(options))->CreateStream());
  return Get(Get(Trainer::Make(stream, spec, nullptr))->Snapshot(stream));
}

}  // namespace

TEST_CASE("Every regulariser adds PyTorch's gradient of its formula to the values that rays touch") {
  constexpr double kWeight = 2;
  const TrainingSpec plain = Descent();
  const io::DenseVolume grid = GridOf(plain);
  const auto& box = grid.box;
  const auto channels = static_cast<std::size_t>(grid.shape[3]);
  REQUIRE(*std::max_element(grid.shape.begin(), grid.shape.begin() + 3) <= 8);
  REQUIRE(channels == 13);
  const double voxel = (box.max[0] - box.min[0]) / static_cast<double>(grid.shape[2]);

  const Rays rays = RaysThrough(box);
  const std::vector<float> values = RandomValues(ValuesOf(grid).size());
  std::vector<double> numbers(values.begin(), values.end());
  for (std::size_t i = 0; i < kRays; ++i) {
    for (const auto* part : {&rays.origins, &rays.directions}) {
      for (std::size_t k = 0; k < 3; ++k) numbers.push_back((*part)[3 * i + k]);
    }
  }
  std::vector<std::string> names;
  for (const Regulariser& regulariser : kRegularisers) names.push_back(absl::StrCat(regulariser.name, ":", kWeight));
  const auto reference = AskReference("regularisers.py", "torch, numpy",
                                      {absl::StrJoin(names, ","), absl::StrJoin(grid.shape, ","),
                                       absl::StrCat(absl::StrJoin(box.min, ","), ",", absl::StrJoin(box.max, ",")),
                                       absl::StrCat(kStepVoxels * voxel), absl::StrCat(plain.seed)},
                                      numbers);
  if (!reference.has_value()) return;
  REQUIRE(reference->size() == kRegularisers.size() * values.size());

  const std::vector<float> without = Stepped(plain, rays, values);
  auto wanted = reference->begin();
  for (const Regulariser& regulariser : kRegularisers) {
    CAPTURE(regulariser.name);
    TrainingSpec spec = plain;
    spec.regularisers.*regulariser.weight = kWeight;
    const std::vector<float> with = Stepped(spec, rays, values);
    std::size_t touched = 0;
    double worst = 0, largest = 0, elsewhere = 0;
    for (std::size_t voxel_index = 0; voxel_index < values.size() / channels; ++voxel_index) {
      const auto first = static_cast<std::ptrdiff_t>(voxel_index * channels);
      const auto last = first + static_cast<std::ptrdiff_t>(channels);
      const bool alive = !std::equal(without.begin() + first, without.begin() + last, values.begin() + first);
      touched += alive ? 1 : 0;
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i, ++wanted) {
        const double got = (double{without[i]} - double{with[i]}) / kRate;
        if (!alive) elsewhere = std::max(elsewhere, std::abs(got));
        if (!alive) continue;
        worst = std::max(worst, std::abs(got - *wanted));
        largest = std::max(largest, std::abs(*wanted));
      }
    }
    CHECK(touched > values.size() / channels * 9 / 10);
    CHECK(largest > 5e-4);  // there is something to see
    // All of it is f32.
    CHECK(worst < 1e-5 * largest);
    CHECK(elsewhere == 0);
  }
}

}  // namespace dvren::test
