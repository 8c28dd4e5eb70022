// Composites: the work is the sum of the parts, in corrected mode by construction.
#pragma once

#include <algorithm>

#include "analysis/operators/figures.h"

namespace dvren::analysis {

// A part at the size, width and direction of its composite. Reference: the parts are 16 bits wide and forward.
[[nodiscard]] inline OperatorRequest PartRequest(const OperatorCase& c, Mode mode) {
  OperatorRequest request;
  request.rays = c.rays;
  request.samples = c.samples;
  if (mode == Mode::kCorrected) {
    request.bits = c.bits;
    request.backward = c.backward;
  }
  return request;
}

// Work and formulas of the parts. Tensors are the composite's own to say. Precondition: the parts' requests are valid,
// for they derive from a checked case; a part that fails all the same leaves an invalid count, which Evaluate reports.
[[nodiscard]] inline CorrectedFigures SumOfParts(const Operator& composite, const OperatorCase& c) {
  CorrectedFigures sum;
  for (const Operator::Part& part : composite.Parts(c, Mode::kCorrected)) {
    const absl::StatusOr<OperatorNode> node = Evaluate(*part.kind, part.request, Mode::kCorrected);
    if (!node.ok()) {
      sum.work.integer = Count(1) / Count(0);
      return sum;
    }
    sum.work += node->work;
    sum.collision_factor = std::max(sum.collision_factor, node->collision_factor);
    for (const Formula& formula : node->formulas) sum.formulas.push_back(formula);
  }
  return sum;
}

}  // namespace dvren::analysis
