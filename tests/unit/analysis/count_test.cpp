// Count: exact where whole, real where it must be, and never wrapped.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "dvren/analysis/count.h"

namespace dvren::analysis {
namespace {

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kSmallest = std::numeric_limits<std::int64_t>::min();

}  // namespace

TEST_CASE("Sums and products within int64 are exact") {
  CHECK(Count(kLargest - 1) + 1 == kLargest);
  CHECK((Count(3'037'000'499) * 3'037'000'499).exact());
  CHECK(Count(kSmallest + 1) - 1 == kSmallest);
}

TEST_CASE("What passes int64 is invalid and stays so") {
  for (const Count& count : {Count(kLargest) + 1, Count(kSmallest) - 1, Count(kLargest) * 2, Count(kSmallest) * -1,
                             Count(9.3e18), Count(1) / 0, Count(std::numeric_limits<double>::quiet_NaN()),
                             Count(std::numeric_limits<double>::infinity()), Log2(0), FloorDivide(1, 0)}) {
    CHECK_FALSE(count.valid());
    CHECK_FALSE((count - count).valid());
    CHECK_FALSE((0 * count).valid());
    CHECK_FALSE(Min(count, 0).valid());
    CHECK(count.ToString() == "overflow");
    CHECK(count.Check("MLP", "num_ops").code() == absl::StatusCode::kOutOfRange);
  }
}

TEST_CASE("Logarithms of powers of two are integers, others are real") {
  CHECK(Log2(1) == 0);
  CHECK(Log2(std::int64_t{1} << 62) == 62);
  CHECK(Log2(64).exact());
  CHECK_FALSE(Log2(192).exact());
  CHECK(Log2(192).real() == Approx(std::log2(192.0)).epsilon(1e-15));
}

TEST_CASE("A real that is whole becomes an integer again") {
  CHECK((Count(262'144) * Count(0.5)).exact());
  CHECK(Count(262'144) * Count(0.5) == 131'072);
  CHECK_FALSE((Count(3) * Count(0.5)).exact());
}

TEST_CASE("Division rounds down and up, also below zero") {
  CHECK(FloorDivide(7, 2) == 3);
  CHECK(FloorDivide(-7, 2) == -4);
  CHECK(CeilDivide(7, 2) == 4);
  CHECK(CeilDivide(-7, 2) == -3);
  CHECK(CeilDivide(8, 2) == 4);
  CHECK(Count(7) / 2 == 3.5);
}

TEST_CASE("Ceil is that of IEEE doubles") {
  CHECK(Ceil(0.333 * 1000) == 333);
  CHECK(Ceil(0.1 * 262'144) == 26'215);
}

}  // namespace dvren::analysis
