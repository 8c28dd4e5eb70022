// Expressions of definition files: exact arithmetic, and errors that name the place.
#include "dvren/analysis/expression.h"

#include <catch2/catch.hpp>

namespace dvren::analysis {
namespace {

const std::vector<std::string> kNames = {"rays", "samples", "ratio"};

Count Value(const std::string& text) {
  const auto expression = Expression::Parse("X.fma", text, kNames);
  INFO(text << ": " << expression.status());
  REQUIRE(expression.ok());
  return expression->Evaluate({{"rays", 4096}, {"samples", 64}, {"ratio", 0.3}});
}

std::string Refusal(const std::string& text) {
  const auto expression = Expression::Parse("X.fma", text, kNames);
  REQUIRE_FALSE(expression.ok());
  return std::string(expression.status().message());
}

}  // namespace

TEST_CASE("Products bind tighter than sums, and both go from left to right") {
  CHECK(Value("1 + 2 * 3") == 7);
  CHECK(Value("10 - 4 - 3") == 3);
  CHECK(Value("100 / 5 / 4") == 5);
  CHECK(Value("(1 + 2) * 3") == 9);
  CHECK(Value("2 * -3 + 7") == 1);
  CHECK(Value("--2") == 2);
}

TEST_CASE("Functions: ceil, floor, log2, min, max, pow") {
  CHECK(Value("ceil(7 / 2)") == 4);
  CHECK(Value("floor(-7 / 2)") == -4);
  CHECK(Value("log2(samples)") == 6);
  CHECK(Value("min(rays, samples)") == 64);
  CHECK(Value("max(rays, pow(2, 13))") == 8192);
  CHECK(Value("pow(3, 0)") == 1);
  CHECK(Value("pow(2, -1)") == 0.5);
}

TEST_CASE("Whole numbers stay exact up to the last of int64, and overflow is none of them") {
  CHECK(Value("9223372036854775807") == std::int64_t{9'223'372'036'854'775'807});
  CHECK(Value("pow(2, 62)") == std::int64_t{1} << 62);
  CHECK_FALSE(Value("pow(2, 63)").valid());
  CHECK_FALSE(Value("9223372036854775807 + 1").valid());
  CHECK_FALSE(Value("rays / (samples - 64)").valid());
  CHECK_FALSE(Value("log2(0)").valid());
  CHECK_FALSE(Value("pow(10, 400)").valid());
  CHECK_FALSE(Value("pow(7, 9223372036854775807)").valid());
}

TEST_CASE("Real numbers are written with a point or an exponent") {
  CHECK(Value("0.5 * samples") == 32);
  CHECK(Value("1e3") == 1000);
  CHECK(Value("2.5e-1 * 8") == 2);
  CHECK(Value("ratio * 10").real() == Approx(3));
}

TEST_CASE("What is no expression is refused with its place") {
  CHECK(Refusal("3 * raise") == "X.fma = \"3 * raise\": unknown name raise; nearest is rays (character 5)");
  CHECK(Refusal("cell(3)") == "X.fma = \"cell(3)\": unknown function cell; nearest is ceil (character 1)");
  CHECK(Refusal("") == "X.fma = \"\": a quantity is missing (character 1)");
  CHECK(Refusal("1 +") == "X.fma = \"1 +\": a quantity is missing (character 4)");
  CHECK(Refusal("1 2") == "X.fma = \"1 2\": unexpected 2 (character 3)");
  CHECK(Refusal("(1") == "X.fma = \"(1\": a closing parenthesis is missing (character 3)");
  CHECK(Refusal("min(1)") == "X.fma = \"min(1)\": min takes 2 quantities (character 6)");
  CHECK(Refusal("1x") == "X.fma = \"1x\": 1x is no number below 2^63 (character 3)");
  CHECK(Refusal("1e30") == "X.fma = \"1e30\": 1e30 is no number below 2^63 (character 5)");
  CHECK(Refusal("nan").find("unknown name nan") != std::string::npos);
  CHECK(Refusal(std::string(1000, '(')).find("nested deeper than 64 levels") != std::string::npos);
  CHECK(Refusal(std::string(1000, '-')).find("nested deeper than 64 levels") != std::string::npos);
  CHECK(Refusal(std::string(5000, '1')) == "X.fma = 5000 characters: must be <= 4096");
}

}  // namespace dvren::analysis
