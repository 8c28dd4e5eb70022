// MseLoss: the mean squared error of an image and its gradient.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class MseLoss : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "MseLossOperator",
                                      .op_type = "MseLoss",
                                      .category = Category::kOptimization,
                                      .metric = "FLOPs",
                                      .dimensions = 1,
                                      .backward = BackwardRule::kSameWork,
                                      .published = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  // In: colours and targets. Out: gradients.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    CorrectedFigures figures = Streams(c, 6 * c.rays, 3 * c.rays);
    figures.work.add = 3 * c.rays;
    figures.work.fma = 3 * c.rays;
    figures.work.mul = 3 * c.rays;
    figures.formulas = {{"loss.mse", "per channel: difference 1 sub, square summed 1 fma, gradient 1 mul"}};
    return figures;
  }
};

}  // namespace dvren::analysis
