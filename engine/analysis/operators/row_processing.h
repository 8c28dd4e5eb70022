// RowProcessing (GBU): alphas along a row of pixels, where all but one term of the quadratic form is shared.
#pragma once

#include "analysis/operators/splat_features.h"

namespace dvren::analysis {

class RowProcessing : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "RowProcessingOperator",
                                      .op_type = "RowProcessing",
                                      .category = Category::kOptimization,
                                      .parameters = Joined({{ActiveRatio()}, SplatListParameters()}),
                                      .backward = BackwardRule::kAdjoint,
                                      .backward_ratio_low = 1,
                                      .backward_ratio_high = 5};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(5 * c.total_samples, 0, 5 * c.total_samples, 16 * c.total_samples);
  }
  // In: two coordinates of each row's first fragment. Out: alphas; backward: 6 gradients per (Gaussian, tile) pair.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const SplatSizes sizes = CountSplats(c);
    const Count rows = 2 * sizes.pairs * c.Integer("tile");
    const Count fragments = ActiveSamples(c);
    CorrectedFigures figures = Streams(c, rows, fragments);
    figures.work.add = fragments;
    figures.work.fma = fragments;
    figures.work.special = fragments;
    figures.work.mul = fragments;
    figures.work.compare = fragments;
    figures.formulas = {{"splat.row",
                         "in GBU's decorrelated coordinates a step along the row is 1 add and the quadratic form "
                         "1 fma, 3 FLOP in place of 11 (published: up to 5.5 times fewer); 1 exp, times opacity 1 mul, "
                         "1 compare per fragment"}};
    if (!c.backward) return figures;
    // The forward fragment again, then the gradients.
    figures.input_a = 2 * fragments + rows;
    figures.output = 6 * sizes.pairs;
    figures.work.add += 6 * fragments;
    figures.work.mul += 3 * fragments;
    figures.work.fma += 2 * fragments;
    figures.work.stream_read_bytes = c.Bytes(figures.input_a);
    figures.work.stream_write_bytes = c.Bytes(figures.output);
    figures.work.footprint_bytes = c.Bytes(figures.input_a + figures.output);
    figures.formulas.push_back({"splat.row.backward",
                                "opacity 1 mul, place along the row 2 mul and 2 fma; 6 values summed "
                                "over the pixels of a tile (1 add each)"});
    return figures;
  }
};

}  // namespace dvren::analysis
