#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "dvren/diff/loss.h"
#include "unit/io/io_fixture.h"
#include "unit/train/reference.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Get;
using io::test::Refused;

struct Oracle {
  std::function<double(double e, double delta)> value, slope;
};

// l and l' of every registered kind, by hand.
const std::map<std::string, Oracle>& Oracles() {
  static const std::map<std::string, Oracle> oracles{
      {"mse", {[](double e, double) { return e * e; }, [](double e, double) { return 2 * e; }}},
      {"l1",
       {[](double e, double) { return e < 0 ? -e : e; },
        [](double e, double) { return static_cast<double>((e > 0) - (e < 0)); }}},
      {"huber",
       {[](double e, double d) { return std::fabs(e) <= d ? e * e / 2 : d * (std::fabs(e) - d / 2); },
        [](double e, double d) { return std::fabs(e) <= d ? e : (e > 0 ? d : -d); }}},
  };
  return oracles;
}

const Oracle& OracleOf(const std::string& kind) {
  INFO("loss.kind = " << kind << ": give this test its formula, and reference/losses.py its PyTorch form");
  REQUIRE(Oracles().count(kind) == 1);
  return Oracles().at(kind);
}

LossSpec SpecOf(const std::string& kind, double delta) {
  LossSpec spec;
  spec.kind = kind;
  if (kind == "huber") spec.delta = delta;
  return spec;
}

struct Batch {
  int channels;
  std::vector<float> prediction, target, weights;
};

// Residuals on both sides of Huber's delta, some exactly 0.
Batch RandomBatch(std::size_t rays, int channels) {
  std::mt19937 random(static_cast<unsigned>(rays) * 7 + static_cast<unsigned>(channels));
  std::uniform_real_distribution<float> uniform(0, 1);
  Batch batch{channels, {}, {}, {}};
  for (std::size_t i = 0; i < rays * static_cast<std::size_t>(channels); ++i) {
    batch.target.push_back(uniform(random));
    batch.prediction.push_back(i % 5 == 0 ? batch.target.back() : uniform(random));
  }
  for (std::size_t i = 0; i < rays; ++i) batch.weights.push_back(i % 7 == 3 ? 0.0f : uniform(random) * 2);
  return batch;
}

struct Answer {
  double value;
  std::vector<float> gradient;
};

Answer Evaluate(const Loss& loss, const Batch& batch, bool weighted, double scale) {
  Answer answer{0, std::vector<float>(batch.prediction.size(), 99)};
  answer.value = loss.Evaluate(batch.prediction, batch.target,
                               weighted ? std::span<const float>(batch.weights) : std::span<const float>(),
                               batch.channels, scale, answer.gradient);
  return answer;
}

}  // namespace

TEST_CASE("Every registered loss has the value and the slope of its formula, weighted and summed") {
  for (const std::string& kind : BuiltinLosses().Names()) {
    const Oracle& oracle = OracleOf(kind);
    const double delta = 0.25, scale = 0.37;
    const std::unique_ptr<Loss> loss = Get(MakeLoss(SpecOf(kind, delta)));
    for (const std::size_t rays : {0, 1, 2, 3, 341, 342, 1000}) {  // the loop works in blocks of 1024 elements
      for (const int channels : {1, 3, 4}) {
        for (const bool weighted : {false, true}) {
          CAPTURE(kind, rays, channels, weighted);
          const Batch batch = RandomBatch(rays, channels);
          const Answer answer = Evaluate(*loss, batch, weighted, scale);
          long double sum = 0;
          double worst = 0;
          for (std::size_t i = 0; i < batch.prediction.size(); ++i) {
            const double e = static_cast<double>(batch.prediction[i]) - static_cast<double>(batch.target[i]);
            const double weight = weighted ? batch.weights[i / static_cast<std::size_t>(channels)] : 1.0;
            sum += static_cast<long double>(scale * weight * oracle.value(e, delta));
            const double slope = scale * weight * oracle.slope(e, delta);
            worst = std::max(worst, std::abs(answer.gradient[i] - slope) - 6e-8 * std::abs(slope));
          }
          CHECK(answer.value == Approx(static_cast<double>(sum)).epsilon(1e-13).margin(1e-300));
          CHECK(worst <= 1e-45);  // half a unit of f32
        }
      }
    }
  }
}

TEST_CASE("Every registered loss has PyTorch's value and gradient") {
  const double scale = 0.0125;
  const Batch batch = RandomBatch(500, 3);
  std::vector<LossSpec> specs;
  std::string kinds;
  for (const std::string& kind : BuiltinLosses().Names()) {
    for (const double delta : {LossSpec{}.delta, 0.6}) {
      specs.push_back(SpecOf(kind, delta));
      absl::StrAppend(&kinds, kinds.empty() ? "" : ",", kind, ":", specs.back().delta);
    }
  }
  std::vector<double> numbers(batch.prediction.begin(), batch.prediction.end());
  numbers.insert(numbers.end(), batch.target.begin(), batch.target.end());
  numbers.insert(numbers.end(), batch.weights.begin(), batch.weights.end());
  const auto reference = AskReference("losses.py", "torch", {kinds, "3", absl::StrCat(scale)}, numbers);
  if (!reference.has_value()) return;
  REQUIRE(reference->size() == specs.size() * (1 + batch.prediction.size()));
  auto wanted = reference->begin();
  for (const LossSpec& spec : specs) {
    CAPTURE(spec.kind, spec.delta);
    const Answer answer = Evaluate(*Get(MakeLoss(spec)), batch, true, scale);
    CHECK(answer.value == Approx(*wanted++).epsilon(1e-13));
    double worst = 0;
    for (const float got : answer.gradient) {
      worst = std::max(worst, std::abs(got - *wanted) - 6e-8 * std::abs(*wanted));
      ++wanted;
    }
    CHECK(worst <= 1e-45);
  }
}

TEST_CASE("The gradient of every registered loss is the difference quotient of its value") {
  for (const std::string& kind : BuiltinLosses().Names()) {
    const std::unique_ptr<Loss> loss = Get(MakeLoss(SpecOf(kind, 0.25)));
    Batch batch = RandomBatch(20, 3);
    const Answer answer = Evaluate(*loss, batch, true, 1);
    for (std::size_t i = 0; i < batch.prediction.size(); ++i) {
      const float at = batch.prediction[i];
      if (std::abs(at - batch.target[i]) < 1e-3f) continue;  // a kink, for l1
      CAPTURE(kind, i);
      const float step = 1.0f / 1024;
      batch.prediction[i] = at + step;
      const double above = Evaluate(*loss, batch, true, 1).value, upper = batch.prediction[i];
      batch.prediction[i] = at - step;
      const double below = Evaluate(*loss, batch, true, 1).value, lower = batch.prediction[i];
      batch.prediction[i] = at;
      // A quadratic is exact; Huber's seam inside the interval is off by half of it.
      CHECK((above - below) / (upper - lower) == Approx(answer.gradient[i]).epsilon(1e-5).margin(2e-3));
    }
  }
}

TEST_CASE("A loss gives the same bits every time, and a mean of n values with a scale of 1/n") {
  for (const std::string& kind : BuiltinLosses().Names()) {
    const std::unique_ptr<Loss> loss = Get(MakeLoss(SpecOf(kind, 0.25)));
    const Batch batch = RandomBatch(5000, 3);
    const Answer first = Evaluate(*loss, batch, true, 1), second = Evaluate(*loss, batch, true, 1);
    CHECK(first.value == second.value);
    CHECK(first.gradient == second.gradient);
    CHECK(Evaluate(*loss, batch, true, 1.0 / 16384).value * 16384 == first.value);
  }
  Batch one{3, std::vector<float>(3000, 0.75f), std::vector<float>(3000, 0.25f), {}};
  CHECK(Evaluate(*Get(MakeLoss(SpecOf("mse", 0))), one, false, 1.0 / 3000).value == Approx(0.25).epsilon(1e-15));
}

TEST_CASE("A prediction that is not a number makes the loss and its slope there not a number") {
  for (const std::string& kind : BuiltinLosses().Names()) {
    CAPTURE(kind);
    Batch batch = RandomBatch(10, 3);
    batch.prediction[17] = std::numeric_limits<float>::quiet_NaN();
    const Answer answer = Evaluate(*Get(MakeLoss(SpecOf(kind, 0.25))), batch, false, 1);
    CHECK(std::isnan(answer.value));
    CHECK(std::isnan(answer.gradient[17]));
    CHECK(std::count_if(answer.gradient.begin(), answer.gradient.end(), [](float g) { return std::isnan(g); }) == 1);
  }
}

TEST_CASE("An unknown loss lists the known ones, and a delta is refused where nothing reads it") {
  LossSpec spec;
  spec.kind = "ssim";
  CHECK(Refused(MakeLoss(spec).status(), StatusCode::kInvalidArgument, {"loss.kind = ssim", "huber, l1, mse"}));
  spec.delta = 0.5;
  for (const char* kind : {"mse", "l1"}) {
    spec.kind = kind;
    CHECK(Refused(MakeLoss(spec).status(), StatusCode::kInvalidArgument, {"loss.delta = 0.5: ", "has no delta"}));
  }
  spec.kind = "huber";
  for (const double delta : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    spec.delta = delta;
    CHECK(Refused(MakeLoss(spec).status(), StatusCode::kInvalidArgument, {"loss.delta = ", "must be finite and > 0"}));
  }
}

}  // namespace dvren::test
