// L-BFGS for small smooth problems in host memory: two-loop recursion (Nocedal & Wright, Numerical Optimization, 2nd
// ed., algorithm 7.4) and a line search for the strong Wolfe conditions (algorithms 3.5 and 3.6).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "dvren/core/status.h"

namespace dvren {

struct LbfgsOptions {
  int history = 10;  // pairs of steps and gradient changes that stand for the curvature
  int max_iterations = 200;
  double gradient_tolerance = 1e-8;                    // converged when no |df/dx_i| is above
  int max_line_search = 40;                            // evaluations per line search
  double sufficient_decrease = 1e-4, curvature = 0.9;  // Wolfe's c1 and c2, 0 < c1 < c2 < 1
};

enum class LbfgsEnd : std::uint8_t {
  kConverged,      // gradient_tolerance reached
  kMaxIterations,  // not there yet
  kNoProgress,     // no step lowers the value: as near as rounding, or the gradient's errors, let it come
};

struct LbfgsResult {
  std::vector<double> x;  // the last point accepted; the value never grows from one to the next
  double value = 0;
  double gradient_norm = 0;  // largest |df/dx_i| at x
  int iterations = 0, evaluations = 0;
  LbfgsEnd end = LbfgsEnd::kConverged;
};

// Returns f(x) and writes df/dx.
using LbfgsObjective = std::function<double(std::span<const double> x, std::span<double> gradient)>;

// A local minimum of f, from x0. INVALID_ARGUMENT for options out of range, for an x0 that is empty or not finite, and
// where f is NaN or -inf or its gradient is not finite: the message has the evaluation and the point. +inf beyond the
// first point is a step too long, and is shortened.
[[nodiscard]] absl::StatusOr<LbfgsResult> MinimiseLbfgs(const LbfgsObjective& f, std::vector<double> x0,
                                                        const LbfgsOptions& options = {});

}  // namespace dvren
