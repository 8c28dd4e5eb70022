// Rearrangement (GSArch): groups gradients by Gaussian, so that each is added to memory once.
#pragma once

#include <cmath>

#include "analysis/operators/radix_sort.h"

namespace dvren::analysis {

class Rearrangement : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "RearrangementOperator",
        .op_type = "Rearrangement",
        .category = Category::kOptimization,
        .parameters = {ActiveRatio(),
                       CorrectedOnly(Ratio("group_ratio", 1, "groups over items: 1 has nothing to add up"))},
        .backward = BackwardRule::kSameWork,
        .backward_default = true};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count log = Count(std::trunc(Log2(Max(c.samples, 2)).real()));
    return FromCounts(3 * c.total_samples, 0, 3 * c.total_samples, c.total_samples + log);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count items = ActiveSamples(c);
    const Count groups = items * Count(c.parameters.Real("group_ratio"));
    CorrectedFigures figures = Streams(c, 3 * items, 3 * groups);
    figures.work.gather_bytes = c.Bytes(3 * items);
    figures.work.stream_read_bytes = 0;
    figures.work.add = 3 * (items - groups);
    AddRadixSort(items, 8, figures.work);
    figures.formulas = {kRadixSortFormula,
                        {"gradient.group", "one pass by bucket; 3 values gathered in the new order, equal ones added"}};
    return figures;
  }
};

}  // namespace dvren::analysis
