#include "dvren/analysis/count.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

namespace dvren::analysis {
namespace {

constexpr double kTwoTo53 = 9007199254740992.0;
constexpr double kTwoTo63 = 9223372036854775808.0;

}  // namespace

Count Count::Invalid() {
  Count count;
  count.kind_ = Kind::kInvalid;
  return count;
}

Count::Count(double value) {
  if (!(std::fabs(value) < kTwoTo63)) {
    kind_ = Kind::kInvalid;
  } else if (value == std::floor(value) && std::fabs(value) <= kTwoTo53) {
    integer_ = static_cast<std::int64_t>(value);
  } else {
    kind_ = Kind::kReal;
    real_ = value;
  }
}

double Count::real() const {
  if (kind_ == Kind::kInvalid) return std::numeric_limits<double>::quiet_NaN();
  return kind_ == Kind::kInteger ? static_cast<double>(integer_) : real_;
}

std::string Count::ToString() const {
  if (kind_ == Kind::kInvalid) return "overflow";
  if (kind_ == Kind::kInteger) return absl::StrCat(integer_);
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, real_);
  return std::string(text, end.ptr);
}

absl::Status Count::Check(absl::string_view owner, absl::string_view quantity) const {
  if (valid()) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat(owner, ".", quantity,
                                            " = overflow: exceeds 2^63 - 1; fewer rays, samples or Gaussians, or "
                                            "smaller parameters"));
}

Count operator+(const Count& a, const Count& b) {
  if (!a.valid() || !b.valid()) return Count::Invalid();
  if (!a.exact() || !b.exact()) return Count(a.real() + b.real());
  std::int64_t sum = 0;
  return __builtin_add_overflow(a.integer_, b.integer_, &sum) ? Count::Invalid() : Count(sum);
}

Count operator-(const Count& a, const Count& b) {
  if (!a.valid() || !b.valid()) return Count::Invalid();
  if (!a.exact() || !b.exact()) return Count(a.real() - b.real());
  std::int64_t difference = 0;
  return __builtin_sub_overflow(a.integer_, b.integer_, &difference) ? Count::Invalid() : Count(difference);
}

Count operator*(const Count& a, const Count& b) {
  if (!a.valid() || !b.valid()) return Count::Invalid();
  if (!a.exact() || !b.exact()) return Count(a.real() * b.real());
  std::int64_t product = 0;
  return __builtin_mul_overflow(a.integer_, b.integer_, &product) ? Count::Invalid() : Count(product);
}

Count operator/(const Count& a, const Count& b) {
  if (!a.valid() || !b.valid() || b.real() == 0) return Count::Invalid();
  if (a.exact() && b.exact() && b.integer_ != -1 && a.integer_ % b.integer_ == 0) return Count(a.integer_ / b.integer_);
  return Count(a.real() / b.real());
}

bool operator==(const Count& a, const Count& b) {
  if (!a.valid() || !b.valid()) return false;
  if (a.exact() && b.exact()) return a.integer_ == b.integer_;
  return a.real() == b.real();
}

Count FloorDivide(const Count& a, const Count& b) {
  if (!a.valid() || !b.valid() || b.real() == 0) return Count::Invalid();
  if (!a.exact() || !b.exact() || b.integer_ == -1) return Count(std::floor(a.real() / b.real()));
  const std::int64_t quotient = a.integer_ / b.integer_;
  const bool below = a.integer_ % b.integer_ != 0 && (a.integer_ < 0) != (b.integer_ < 0);
  return Count(quotient - (below ? 1 : 0));
}

Count CeilDivide(const Count& a, const Count& b) {
  if (!a.valid() || !b.valid() || b.real() == 0) return Count::Invalid();
  if (!a.exact() || !b.exact() || b.integer_ == -1) return Count(std::ceil(a.real() / b.real()));
  const std::int64_t quotient = a.integer_ / b.integer_;
  const bool above = a.integer_ % b.integer_ != 0 && (a.integer_ < 0) == (b.integer_ < 0);
  return Count(quotient + (above ? 1 : 0));
}

Count Log2(const Count& a) {
  if (!(a.real() > 0)) return Count::Invalid();
  if (a.exact() && std::has_single_bit(static_cast<std::uint64_t>(a.integer_))) {
    return Count(std::countr_zero(static_cast<std::uint64_t>(a.integer_)));
  }
  return Count(std::log2(a.real()));
}

Count Min(const Count& a, const Count& b) {
  return !a.valid() || (b.valid() && a < b) ? a : b;
}

Count Max(const Count& a, const Count& b) {
  return !a.valid() || (b.valid() && b < a) ? a : b;
}

Count Ceil(double value) {
  return Count(std::ceil(value));
}

}  // namespace dvren::analysis
