// TileMerging (GSArch): joins the short lists of neighbouring tiles.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class TileMerging : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "TileMergingOperator",
        .op_type = "TileMerging",
        .category = Category::kOptimization,
        .parameters = {ActiveRatio(),
                       CorrectedOnly(Ratio("merge_ratio", 1, "share of the pairs left: 1 claims no saving"))},
        .backward = BackwardRule::kSameWork};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(2 * c.total_samples, 0, 2 * c.total_samples, 8 * c.total_samples);
  }
  // An element is a (key, index) pair: integers of fixed width.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count pairs = ActiveSamples(c);
    const Count left = pairs * Count(c.parameters.Real("merge_ratio"));
    CorrectedFigures figures;
    figures.input_a = pairs;
    figures.output = left;
    figures.work.integer = 4 * pairs;
    figures.work.compare = 2 * pairs;
    AddIndices(2 * (pairs + left), figures.work);
    figures.formulas = {{"tiles.merge",
                         "per (key, index) pair: tile and parent tile from the key 2 integer, key anew 1, "
                         "place 1, comparisons with the neighbours 2; both words read and written"}};
    return figures;
  }
};

}  // namespace dvren::analysis
