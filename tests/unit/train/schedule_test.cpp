#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <map>

#include "absl/strings/str_join.h"
#include "dvren/diff/schedule.h"
#include "unit/io/io_fixture.h"
#include "unit/train/reference.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Get;
using io::test::Refused;

// The factor without warm-up at step k of n, of every registered kind, by hand.
using Formula = std::function<double(double k, double n, double final_factor)>;

const Formula& FormulaOf(const std::string& kind) {
  static const std::map<std::string, Formula> formulas{
      {"constant", [](double, double, double) { return 1.0; }},
      {"exponential", [](double k, double n, double f) { return std::exp(std::log(f) * k / (n - 1)); }},
      {"cosine",
       [](double k, double n, double f) {
         const double c = std::cos(std::acos(-1.0) * k / (n - 1) / 2);  // (1 + cos 2a)/2 = cos^2 a
         return f + (1 - f) * c * c;
       }},
      {"linear", [](double k, double n, double f) { return ((n - 1 - k) + f * k) / (n - 1); }},
  };
  INFO("schedule.kind = " << kind << ": give this test its formula, and reference/schedules.py its PyTorch form");
  REQUIRE(formulas.count(kind) == 1);
  return formulas.at(kind);
}

ScheduleSpec SpecOf(const std::string& kind, double final_factor, std::int64_t warmup_steps) {
  ScheduleSpec spec;
  spec.kind = kind;
  spec.final_factor = kind == "constant" ? 1 : final_factor;
  spec.warmup_steps = warmup_steps;
  return spec;
}

}  // namespace

TEST_CASE("Every registered schedule follows its formula from 1 to its final factor") {
  for (const std::string& kind : BuiltinSchedules().Names()) {
    const Formula& formula = FormulaOf(kind);
    for (const double final_factor : {0.1, 1e-3, 1.0, 3.0}) {
      for (const std::int64_t steps : {2, 3, 100, 30001}) {
        CAPTURE(kind, final_factor, steps);
        const ScheduleSpec spec = SpecOf(kind, final_factor, 0);
        const std::unique_ptr<Schedule> schedule = Get(MakeSchedule(spec));
        CHECK(schedule->Factor(0, steps) == 1);
        CHECK(schedule->Factor(steps - 1, steps) == Approx(spec.final_factor).epsilon(1e-14));
        double worst = 0;
        for (std::int64_t k = 0; k < steps; ++k) {
          const double wanted = formula(static_cast<double>(k), static_cast<double>(steps), spec.final_factor);
          worst = std::max(worst, std::abs(schedule->Factor(k, steps) / wanted - 1));
        }
        CHECK(worst < 1e-12);
      }
    }
  }
}

TEST_CASE("Every registered schedule has the rates of PyTorch's, with and without warm-up") {
  const std::size_t steps = 50;
  const double final_factor = 0.05;
  const std::vector<std::string> kinds = BuiltinSchedules().Names();
  const std::vector<std::int64_t> warm_ups{0, 1, 7};
  const auto reference = AskReference(
      "schedules.py", "torch",
      {absl::StrCat(steps), absl::StrCat(final_factor), absl::StrJoin(kinds, ","), absl::StrJoin(warm_ups, ",")}, {});
  if (!reference.has_value()) return;
  REQUIRE(reference->size() == kinds.size() * warm_ups.size() * steps);
  auto wanted = reference->begin();
  for (const std::string& kind : kinds) {
    for (const std::int64_t warmup_steps : warm_ups) {
      const std::unique_ptr<Schedule> schedule = Get(MakeSchedule(SpecOf(kind, final_factor, warmup_steps)));
      for (std::size_t k = 0; k < steps; ++k) {
        CAPTURE(kind, warmup_steps, k);
        CHECK(schedule->Factor(static_cast<std::int64_t>(k), steps) == Approx(*wanted++).epsilon(1e-10));
      }
    }
  }
}

TEST_CASE("Every registered schedule warms up linearly, never from 0, and then goes on as without") {
  for (const std::string& kind : BuiltinSchedules().Names()) {
    CAPTURE(kind);
    const std::int64_t steps = 40, warmup_steps = 10;
    const std::unique_ptr<Schedule> warm = Get(MakeSchedule(SpecOf(kind, 0.2, warmup_steps)));
    const std::unique_ptr<Schedule> cold = Get(MakeSchedule(SpecOf(kind, 0.2, 0)));
    for (std::int64_t k = 0; k < steps; ++k) {
      CAPTURE(k);
      const double rise = k < warmup_steps ? static_cast<double>(k + 1) / 10 : 1;
      CHECK(warm->Factor(k, steps) == Approx(rise * cold->Factor(k, steps)).epsilon(1e-15));
    }
    CHECK(warm->Factor(9, steps) == cold->Factor(9, steps));
  }
}

TEST_CASE("A run of one step has the factor 1") {
  for (const std::string& kind : BuiltinSchedules().Names()) {
    CAPTURE(kind);
    CHECK(Get(MakeSchedule(SpecOf(kind, 0.2, 0)))->Factor(0, 1) == 1);
    CHECK(Get(MakeSchedule(SpecOf(kind, 0.2, 1)))->Factor(0, 1) == 1);
  }
}

TEST_CASE("Cosine and linear end at 0 where asked, exponential cannot") {
  CHECK(std::abs(Get(MakeSchedule(SpecOf("cosine", 0, 0)))->Factor(99, 100)) < 1e-15);
  CHECK(Get(MakeSchedule(SpecOf("linear", 0, 0)))->Factor(99, 100) == 0);
  CHECK(Refused(MakeSchedule(SpecOf("exponential", 0, 0)).status(), StatusCode::kInvalidArgument,
                {"schedule.final_factor = 0", "> 0", "linear and cosine"}));
}

TEST_CASE("An unknown schedule lists the known ones, and numbers out of range are named") {
  CHECK(Refused(MakeSchedule(SpecOf("step", 0.1, 0)).status(), StatusCode::kInvalidArgument,
                {"schedule.kind = step", "constant, cosine, exponential, linear"}));
  for (const char* kind : {"exponential", "cosine", "linear"}) {
    for (const double bad : {-0.1, std::nan(""), HUGE_VAL}) {
      CHECK(Refused(MakeSchedule(SpecOf(kind, bad, 0)).status(), StatusCode::kInvalidArgument,
                    {"schedule.final_factor = ", "must be finite"}));
    }
    CHECK(Refused(MakeSchedule(SpecOf(kind, 0.1, -1)).status(), StatusCode::kInvalidArgument,
                  {"schedule.warmup_steps = -1", "must be >= 0"}));
  }
  ScheduleSpec constant;
  constant.kind = "constant";
  constant.final_factor = 0.5;
  CHECK(Refused(MakeSchedule(constant).status(), StatusCode::kInvalidArgument,
                {"schedule.final_factor = 0.5", "constant ends at 1"}));
}

}  // namespace dvren::test
