// GradientPruning (GSArch): drops small gradients.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class GradientPruning : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "GradientPruneOperator",
        .op_type = "GradientPruning",
        .category = Category::kOptimization,
        .parameters = {ActiveRatio(),
                       CorrectedOnly(Ratio("keep_ratio", 1, "share of the gradients left: 1 claims no saving"))},
        .backward = BackwardRule::kSameWork};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(3 * c.total_samples, 0, 3 * c.total_samples, 4 * c.total_samples);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count items = ActiveSamples(c);
    const Count kept = items * Count(c.parameters.Real("keep_ratio"));
    CorrectedFigures figures = Streams(c, 3 * items, 3 * kept);
    figures.work.mul = items;
    figures.work.fma = 2 * items;
    figures.work.compare = items;
    figures.work.integer = items;
    AddIndices(kept, figures.work);
    figures.formulas = {{"gradient.prune",
                         "squared length of 3 values 1 mul, 2 fma; 1 compare; 1 step of the compacting "
                         "prefix sum; an index for each kept"}};
    return figures;
  }
};

}  // namespace dvren::analysis
