#include "dvren/diff/optimizer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "absl/strings/str_join.h"
#include "support/hp_fixture.h"
#include "unit/io/io_fixture.h"
#include "unit/train/reference.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Get;
using io::test::Refused;

constexpr std::size_t kSize = 37, kSteps = 20;  // not a multiple of any lane's width
constexpr double kRate = 0.03;

// Every registered kind, with what it knows of momentum and weight decay.
std::vector<OptimizerSpec> Runs() {
  std::vector<OptimizerSpec> runs;
  for (const std::string& kind : BuiltinOptimizers().Names()) {
    const bool has_momentum = kind == "sgd" || kind == "rmsprop";
    for (const double decay : {0.0, 0.07}) {
      for (const double momentum : {0.0, 0.8}) {
        if (momentum > 0 && !has_momentum) continue;
        for (const bool nesterov : {false, true}) {
          if (nesterov && (kind != "sgd" || momentum == 0)) continue;
          OptimizerSpec spec;
          spec.kind = kind;
          spec.beta1 = 0.85;
          spec.beta2 = 0.97;
          spec.epsilon = 1e-6;
          spec.momentum = momentum;
          spec.nesterov = nesterov;
          spec.weight_decay = decay;
          runs.push_back(spec);
          spec.clip_value = 0.3;
          runs.push_back(spec);
          spec.clip_norm = 2;
          runs.push_back(spec);
          spec.clip_value = 0;
          runs.push_back(spec);
        }
      }
    }
  }
  return runs;
}

std::string Describe(const OptimizerSpec& s) {
  return absl::StrCat(s.kind, ":", kRate, ":", s.beta1, ":", s.beta2, ":", s.epsilon, ":", s.momentum, ":",
                      s.nesterov ? 1 : 0, ":", s.weight_decay, ":", s.clip_norm, ":", s.clip_value);
}

}  // namespace

TEST_CASE("Every registered optimizer steps as PyTorch's does") {
  const HpContext context;
  TestRandom random(11);
  std::vector<double> numbers;
  for (std::size_t i = 0; i < kSize; ++i) numbers.push_back(random.Uniform(-2, 2));
  for (std::size_t i = 0; i < kSize * kSteps; ++i) {
    numbers.push_back(random.LogUniform(1e-6, 10) * (random.Below(2) == 0 ? 1 : -1));
  }
  const std::vector<OptimizerSpec> runs = Runs();
  std::vector<std::string> described;
  for (const OptimizerSpec& run : runs) described.push_back(Describe(run));
  const auto answers =
      AskReference("optimizers.py", "torch", {absl::StrJoin(described, ","), absl::StrCat(kSize)}, numbers);
  if (!answers) return;
  REQUIRE(answers->size() == runs.size() * kSteps * kSize);
  const double* wanted = answers->data();
  for (const OptimizerSpec& run : runs) {
    INFO(Describe(run));
    const std::unique_ptr<Optimizer> optimizer = Get(MakeOptimizer(run));
    std::vector<double> values(numbers.begin(), numbers.begin() + kSize), moments(2 * kSize, 0.0);
    double worst = 0;
    for (std::size_t step = 0; step < kSteps; ++step) {
      hp_update_desc update = optimizer->AtRate(static_cast<std::int64_t>(step) + 1, kRate);
      const double* gradient = numbers.data() + kSize * (step + 1);
      const double norm = std::sqrt(std::inner_product(gradient, gradient + kSize, gradient, 0.0));
      // PyTorch adds 1e-6 to the norm.
      if (run.clip_norm > 0) update.gradient_scale = std::min(1.0, run.clip_norm / (norm + 1e-6));
      HpCheck(hp_update_array(context.stream(), &update, kSize, values.data(), gradient, moments.data()));
      for (const double value : values) {
        worst = std::max(worst, std::abs(value - *wanted) / std::max(std::abs(*wanted), 0.1));
        ++wanted;
      }
    }
    CHECK(worst < 1e-12);
  }
}

TEST_CASE("An optimizer gives the last channel the rate of the density and the others that of the colour") {
  OptimizerSpec spec;
  spec.density_rate = 0.5;
  spec.color_rate = 0.25;
  for (const std::string& kind : BuiltinOptimizers().Names()) {
    spec.kind = kind;
    for (const bool sparse : {false, true}) {
      spec.sparse = sparse;
      const hp_update_desc update = Get(MakeOptimizer(spec))->At(7, 0.5, 13);
      CAPTURE(kind);
      CHECK(update.step == 7);
      CHECK(update.sparse == (sparse ? 1 : 0));
      for (int c = 0; c < 12; ++c) CHECK(update.rates[c] == 0.125);
      CHECK(update.rates[12] == 0.25);
    }
  }
  spec.kind = "lion";
  CHECK(Refused(MakeOptimizer(spec).status(), StatusCode::kInvalidArgument,
                {"optimizer.kind", "lion", "adam", "adamw", "rmsprop", "sgd"}));
}

}  // namespace dvren::test
