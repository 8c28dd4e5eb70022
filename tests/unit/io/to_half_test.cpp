#include "dvren/io/to_half.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace dvren::io::test {
namespace {

DenseVolume Line(const std::vector<float>& values) {
  DenseVolume grid;
  grid.shape = {1, 1, static_cast<std::int64_t>(values.size()), 1};
  grid.values = Blob::Copy(values.data(), values.size() * sizeof(float));
  return grid;
}

// The value of a binary16 as IEEE 754-2008 §3.4 defines it, in double: no arithmetic shared with the code under test.
double Value(std::uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

std::uint16_t At(const DenseVolume& grid, std::size_t i) {
  std::uint16_t half = 0;
  std::memcpy(&half, grid.values.data() + i * sizeof half, sizeof half);
  return half;
}

}  // namespace

TEST_CASE("Every f16 stays itself, and the middle of two neighbours becomes the even one") {
  std::vector<float> values;
  std::vector<std::uint16_t> expected;
  for (std::uint32_t half = 0; half < 0x7c00; ++half) {
    values.push_back(static_cast<float>(Value(static_cast<std::uint16_t>(half))));
    expected.push_back(static_cast<std::uint16_t>(half));
    if (half + 1 == 0x7c00) continue;
    const double middle = (Value(static_cast<std::uint16_t>(half)) + Value(static_cast<std::uint16_t>(half + 1))) / 2;
    values.push_back(static_cast<float>(middle));
    expected.push_back(static_cast<std::uint16_t>(half % 2 == 0 ? half : half + 1));
    values.push_back(std::nextafter(static_cast<float>(middle), 0.0f));
    expected.push_back(static_cast<std::uint16_t>(half));
    values.push_back(std::nextafter(static_cast<float>(middle), 1e9f));
    expected.push_back(static_cast<std::uint16_t>(half + 1));
  }
  for (const bool negative : {false, true}) {
    std::vector<float> signed_values = values;
    if (negative) {
      for (float& value : signed_values) value = -value;
    }
    const auto half = ToHalf(Line(signed_values));
    REQUIRE(half.ok());
    CHECK(half->dtype == DType::kF16);
    CHECK(half->values.size() == values.size() * 2);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      wrong += At(*half, i) != (expected[i] | (negative ? 0x8000 : 0)) ? 1 : 0;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("What f16 cannot hold is refused by its place and value, and never becomes infinite") {
  CHECK(ToHalf(Line({0, 65519.996f}))->values.size() == 4);  // rounds to 65504
  for (const float value :
       {65520.0f, -65520.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const auto half = ToHalf(Line({1, 2, value}));
    CHECK(half.status().code() == absl::StatusCode::kOutOfRange);
    CHECK(std::string(half.status().message()).find("values[2]") != std::string::npos);
  }
}

TEST_CASE("A grid that is f16 already is not converted twice") {
  const auto once = ToHalf(Line({1}));
  REQUIRE(once.ok());
  CHECK(ToHalf(*once).status().code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace dvren::io::test
