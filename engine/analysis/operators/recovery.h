// Recovery (SRender): results of the coarse pass where the precise one left none.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class Recovery : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "RecoveryOperator",
        .op_type = "Recovery",
        .category = Category::kOptimization,
        .parameters = {PositiveInteger("channels", 4, "values of a sample"), ActiveRatio(),
                       CorrectedOnly(Ratio("fine_prop", 0.4, "share of the samples that the precise pass made"))},
        .backward = BackwardRule::kSameWork,
        .takes_backward = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count channels = c.Integer("channels");
    ReferenceFigures figures = FromShapes({{c.rays, c.samples, channels}, {c.rays, c.samples, 1}},
                                          {c.rays, c.samples, channels}, c.total_samples * channels);
    figures.input_a = c.total_samples * (1 + channels);
    figures.input_w = 0;
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    const Count channels = c.Integer("channels");
    const Count fine = samples * Count(c.parameters.Real("fine_prop"));
    CorrectedFigures figures = Streams(c, channels * (samples + fine), channels * samples);
    figures.work.compare = samples;
    AddIndices(fine, figures.work);
    figures.formulas = {
        {"recovery.merge", "one selection per sample, C values copied; the index of each precise sample"}};
    return figures;
  }
};

}  // namespace dvren::analysis
