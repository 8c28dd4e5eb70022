// RowGeneration (GBU): where each row of a splat begins within a tile.
#pragma once

#include "analysis/operators/splat_features.h"

namespace dvren::analysis {

class RowGeneration : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "RowGenerationOperator",
                                      .op_type = "RowGeneration",
                                      .category = Category::kOptimization,
                                      .parameters = Joined({{ActiveRatio()}, SplatListParameters()}),
                                      .backward = BackwardRule::kSameWork};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(5 * c.total_samples, 0, 5 * c.total_samples, 8 * c.total_samples);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const SplatSizes sizes = CountSplats(c);
    const Count rows = sizes.pairs * c.Integer("tile");
    CorrectedFigures figures = Streams(c, 5 * sizes.pairs, 2 * rows);
    figures.work.mul = 6 * rows;
    figures.work.add = 5 * rows;
    figures.work.compare = rows;
    figures.formulas = {{"splat.rows",
                         "per row of a (Gaussian, tile) pair: first pixel inside and its two coordinates 6 mul, "
                         "5 add or sub, 1 compare"}};
    return figures;
  }
};

}  // namespace dvren::analysis
