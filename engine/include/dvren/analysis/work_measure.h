// What the rate of a unit may count.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace dvren::analysis {

enum class WorkMeasure : std::size_t {
  kFma,
  kAdd,
  kMul,
  kSpecial,
  kInteger,
  kCompare,
  kGathers,
  kOperations,
  kSamples,
  kOutputs
};
inline constexpr std::size_t kWorkMeasures = 10;

// An amount of work by measure, or rates.
using Work = std::array<double, kWorkMeasures>;

// In the order of WorkMeasure: "fma" (fused multiply-adds), "add", "mul", "special", "integer", "compare" (operations
// of each type), "gathers" (entries of a table, read or updated), "operations" (all typed operations, an fma as two),
// "samples" (rays × samples per ray) and "outputs" (elements written).
[[nodiscard]] const std::vector<std::string>& WorkMeasureNames();

}  // namespace dvren::analysis
