// Count: a quantity of a cost model (operations, elements, bytes), exact wherever it is a whole number.
// Integers are checked int64. A quantity becomes real only through Log2 of something that is no power of two, or
// through a real factor (a ratio of active samples). Overflow past int64 and division by zero stick: whatever is
// computed from such a count is invalid as well, so that a formula reads as mathematics and is checked once, at its
// end, by Check.
#pragma once

#include <cstdint>
#include <string>

#include "dvren/core/status.h"

namespace dvren::analysis {

class Count {
 public:
  Count() = default;
  Count(int value) : integer_(value) {}           // NOLINT: a number in a formula is a count
  Count(std::int64_t value) : integer_(value) {}  // NOLINT
  Count(double value);                            // NOLINT: whole numbers below 2^53 become integers

  [[nodiscard]] bool valid() const { return kind_ != Kind::kInvalid; }
  [[nodiscard]] bool exact() const { return kind_ == Kind::kInteger; }
  // Precondition: exact().
  [[nodiscard]] std::int64_t integer() const { return integer_; }
  // NaN when invalid.
  [[nodiscard]] double real() const;
  // Digits of the integer, the shortest text of the real, or "overflow".
  [[nodiscard]] std::string ToString() const;

  // OUT_OF_RANGE `owner.quantity = overflow: …` when invalid.
  [[nodiscard]] absl::Status Check(absl::string_view owner, absl::string_view quantity) const;

  Count& operator+=(const Count& other) { return *this = *this + other; }
  friend Count operator+(const Count& a, const Count& b);
  friend Count operator-(const Count& a, const Count& b);
  friend Count operator*(const Count& a, const Count& b);
  // Exact when b divides a, else real.
  friend Count operator/(const Count& a, const Count& b);
  friend bool operator==(const Count& a, const Count& b);
  friend bool operator<(const Count& a, const Count& b) { return a.real() < b.real(); }

  friend Count FloorDivide(const Count& a, const Count& b);
  friend Count CeilDivide(const Count& a, const Count& b);
  friend Count Log2(const Count& a);

 private:
  enum class Kind { kInteger, kReal, kInvalid };
  [[nodiscard]] static Count Invalid();

  Kind kind_ = Kind::kInteger;
  std::int64_t integer_ = 0;
  double real_ = 0;
};

// The whole number not above (below) a/b; b != 0.
[[nodiscard]] Count FloorDivide(const Count& a, const Count& b);
[[nodiscard]] Count CeilDivide(const Count& a, const Count& b);
// Of a > 0: exact for powers of two.
[[nodiscard]] Count Log2(const Count& a);
[[nodiscard]] Count Min(const Count& a, const Count& b);
[[nodiscard]] Count Max(const Count& a, const Count& b);
// The smallest whole number not below value, computed in IEEE double as the reference does: ceil(0.333·1000) = 333.
[[nodiscard]] Count Ceil(double value);

}  // namespace dvren::analysis
