#include "dvren/diff/lbfgs.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "unit/io/io_fixture.h"
#include "unit/train/reference.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Get;
using io::test::Refused;
using Numbers = std::vector<double>;

double Rosenbrock(std::span<const double> x, std::span<double> gradient) {
  std::fill(gradient.begin(), gradient.end(), 0.0);
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    sum += 100 * a * a + b * b;
    gradient[i] += -400 * a * x[i] - 2 * b;
    gradient[i + 1] += 200 * a;
  }
  return sum;
}

Numbers RosenbrockStart(std::size_t n) {
  Numbers start(n, 1);
  for (std::size_t i = 0; i < n; i += 2) start[i] = -1.2;
  return start;
}

// The log-likelihood of reference/minimise.py: 40 observations, a ridge of 0.05.
double Logistic(std::span<const double> x, std::span<double> gradient) {
  double sum = 0;
  for (std::size_t j = 0; j < x.size(); ++j) {
    sum += 0.05 * x[j] * x[j];
    gradient[j] = 0.1 * x[j];
  }
  for (int i = 1; i <= 40; ++i) {
    const double sign = std::cos(3.0 * i) > 0 ? 1 : -1;
    double z = 0;
    for (std::size_t j = 0; j < x.size(); ++j) z += std::sin(i * static_cast<double>(j + 1)) * x[j];
    z *= -sign;
    sum += z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z));
    const double slope = -sign / (1 + std::exp(-z));
    for (std::size_t j = 0; j < x.size(); ++j) gradient[j] += slope * std::sin(i * static_cast<double>(j + 1));
  }
  return sum;
}

double Distance(const Numbers& a, const Numbers& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("L-BFGS finds the minimum of Rosenbrock's valley, at 1 in every dimension") {
  for (const std::size_t n : {2, 20}) {
    const LbfgsResult result = Get(MinimiseLbfgs(Rosenbrock, RosenbrockStart(n)));
    CAPTURE(n, result.iterations, result.evaluations, result.gradient_norm);
    CHECK(result.end == LbfgsEnd::kConverged);
    CHECK(result.gradient_norm <= 1e-8);
    CHECK(Distance(result.x, Numbers(n, 1)) < 1e-8);
    CHECK(result.value < 1e-16);
    CHECK(result.evaluations < (n == 2 ? 80 : 250));
    Numbers gradient(n);
    CHECK(Rosenbrock(result.x, gradient) == result.value);
  }
}

TEST_CASE("L-BFGS finds the known minimum of a quadratic of condition 10^4") {
  // f = sum of c_i (x_i - m_i)^2 / 2 after the rotation of neighbours by 45 degrees.
  const Numbers curvature{1, 10, 100, 1000, 10000}, minimum{3, -1, 4, -1, 5};
  const double r = std::sqrt(0.5);
  const auto f = [&](std::span<const double> x, std::span<double> gradient) {
    Numbers d(5);
    for (std::size_t i = 0; i < 5; ++i) d[i] = x[i] - minimum[i];
    const Numbers e{r * (d[0] + d[4]), d[1], r * (d[2] + d[3]), r * (d[2] - d[3]), r * (d[0] - d[4])};
    Numbers g(5);
    double sum = 7;
    for (std::size_t i = 0; i < 5; ++i) {
      sum += 0.5 * curvature[i] * e[i] * e[i];
      g[i] = curvature[i] * e[i];
    }
    const Numbers back{r * (g[0] + g[4]), g[1], r * (g[2] + g[3]), r * (g[2] - g[3]), r * (g[0] - g[4])};
    std::copy(back.begin(), back.end(), gradient.begin());
    return sum;
  };
  for (const int history : {1, 5, 10}) {
    LbfgsOptions options;
    options.history = history;
    options.max_iterations = 2000;
    const LbfgsResult result = Get(MinimiseLbfgs(f, Numbers(5, 0), options));
    CAPTURE(history, result.iterations, result.gradient_norm);
    CHECK(result.end != LbfgsEnd::kMaxIterations);
    CHECK(Distance(result.x, minimum) < 1e-6);
    CHECK(result.value == Approx(7).epsilon(1e-12));
  }
}

TEST_CASE("L-BFGS finds the minimisers that another implementation finds") {
  struct Case {
    const char* name;
    LbfgsObjective f;
    Numbers start;
  };
  const std::vector<Case> cases{{"rosenbrock", Rosenbrock, {-1.2, 1, -0.5, 2, 1.5}},
                                {"logistic", Logistic, Numbers(6, 1)}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto reference = AskReference("minimise.py", "torch", {c.name}, c.start);
    if (!reference.has_value()) return;
    const LbfgsResult result = Get(MinimiseLbfgs(c.f, c.start));
    REQUIRE(reference->size() == result.x.size());
    CHECK(result.end == LbfgsEnd::kConverged);
    CHECK(Distance(result.x, *reference) < 1e-6);
  }
}

TEST_CASE("L-BFGS starts at a minimum, stops at its limit of iterations, and says so") {
  const LbfgsResult there = Get(MinimiseLbfgs(Rosenbrock, {1, 1}));
  CHECK(there.end == LbfgsEnd::kConverged);
  CHECK(there.iterations == 0);
  CHECK(there.evaluations == 1);
  LbfgsOptions options;
  options.max_iterations = 3;
  const LbfgsResult cut = Get(MinimiseLbfgs(Rosenbrock, {-1.2, 1}, options));
  CHECK(cut.end == LbfgsEnd::kMaxIterations);
  CHECK(cut.iterations == 3);
  CHECK(cut.value < 24.2);  // f at the start
}

TEST_CASE("L-BFGS ends without progress where the gradient lies") {
  const auto uphill = [](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = -2 * x[0];
    return x[0] * x[0];
  };
  const LbfgsResult result = Get(MinimiseLbfgs(uphill, {1}));
  CHECK(result.end == LbfgsEnd::kNoProgress);
  CHECK(result.x[0] == 1);
}

TEST_CASE("A value of infinity beyond the first point shortens the step") {
  // -log x + x has its minimum at 1, and no value for x <= 0.
  const auto barrier = [](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = 1 - 1 / x[0];
    return x[0] > 0 ? x[0] - std::log(x[0]) : HUGE_VAL;
  };
  for (const double start : {0.01, 1.5, 300.0}) {
    const LbfgsResult result = Get(MinimiseLbfgs(barrier, {start}));
    CAPTURE(start, result.x[0], result.iterations);
    CHECK(result.end == LbfgsEnd::kConverged);
    CHECK(result.x[0] == Approx(1).epsilon(1e-7));
  }
}

TEST_CASE("A value or slope that is not a number is an error that says where") {
  int calls = 0;
  const auto breaks = [&](std::span<const double> x, std::span<double> gradient) {
    const double value = Rosenbrock(x, gradient);
    return ++calls == 3 ? std::nan("") : value;
  };
  CHECK(Refused(MinimiseLbfgs(breaks, {-1.2, 1}).status(), StatusCode::kInvalidArgument,
                {"f = nan: must be finite; at x = (", "evaluation 3"}));
  const auto slope = [](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = 0;
    gradient[1] = std::nan("");
    return x[0];
  };
  CHECK(Refused(MinimiseLbfgs(slope, {0.5, 0.25}).status(), StatusCode::kInvalidArgument,
                {"df/dx[1] = nan: must be finite; at x = (0.5, 0.25), evaluation 1"}));
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const auto f = [&](std::span<const double>, std::span<double>) { return value; };
    CHECK(Refused(MinimiseLbfgs(f, Numbers(9, 2)).status(), StatusCode::kInvalidArgument,
                  {"f = ", "at x = (2, 2, 2, 2, 2, 2, 2, 2, ...), evaluation 1"}));
  }
  const auto bottomless = [](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = -std::exp(x[0]);
    return -std::exp(x[0]);
  };
  CHECK(Refused(MinimiseLbfgs(bottomless, {0}).status(), StatusCode::kInvalidArgument, {"f = -inf", "at x = ("}));
}

TEST_CASE("Options of L-BFGS out of their range are named") {
  const auto refused = [](const char* message, auto&& change) {
    LbfgsOptions options;
    change(options);
    return Refused(MinimiseLbfgs(Rosenbrock, {0, 0}, options).status(), StatusCode::kInvalidArgument, {message});
  };
  CHECK(refused("lbfgs.history = 0", [](auto& o) { o.history = 0; }));
  CHECK(refused("lbfgs.max_iterations = -1", [](auto& o) { o.max_iterations = -1; }));
  CHECK(refused("lbfgs.max_line_search = 0", [](auto& o) { o.max_line_search = 0; }));
  CHECK(refused("lbfgs.gradient_tolerance = -1", [](auto& o) { o.gradient_tolerance = -1; }));
  CHECK(refused("lbfgs.gradient_tolerance = nan", [](auto& o) { o.gradient_tolerance = std::nan(""); }));
  CHECK(refused("lbfgs.curvature = 1", [](auto& o) { o.curvature = 1; }));
  CHECK(refused("lbfgs.sufficient_decrease = 0.95", [](auto& o) { o.sufficient_decrease = 0.95; }));
  CHECK(refused("lbfgs.sufficient_decrease = 0:", [](auto& o) { o.sufficient_decrease = 0; }));
  CHECK(Refused(MinimiseLbfgs(Rosenbrock, {}).status(), StatusCode::kInvalidArgument, {"lbfgs.x0 = ()"}));
  CHECK(Refused(MinimiseLbfgs(Rosenbrock, {0, std::nan("")}).status(), StatusCode::kInvalidArgument,
                {"lbfgs.x0[1] = nan"}));
}

}  // namespace dvren::test
