// SensitivityPrediction (SRender): which samples need the precise pass.
#pragma once

#include <cmath>

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class SensitivityPrediction : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "SensitivityPredictionOperator",
        .op_type = "SensitivityPrediction",
        .category = Category::kOptimization,
        .parameters = {Ratio("coarse_prop", 0.4, "share of the patches that are examined"),
                       Ratio("fine_prop", 0.4, "corrected mode: share of the samples that the precise pass keeps"),
                       PositiveInteger("patch_size", 3, "edge of a patch in pixels"), ActiveRatio()},
        .backward = BackwardRule::kUndefined,
        .takes_backward = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    ReferenceFigures figures =
        FromShapes({{c.rays, c.samples}, {c.rays, 3}}, {c.rays, c.samples + 1}, c.total_samples + 72 * Examined(c));
    figures.input_a = c.total_samples + 3 * c.rays;
    figures.input_w = 0;
    return figures;
  }
  // In: colours of the coarse image; density and position of each sample. Out: positions of the sensitive ones.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    const Count kept = samples * Count(c.parameters.Real("fine_prop"));
    const Count examined = c.rays * Count(c.parameters.Real("coarse_prop"));
    CorrectedFigures figures = Streams(c, 3 * c.rays + 4 * samples, 3 * kept);
    figures.work.add = 3 * examined;
    figures.work.fma = 3 * examined;
    figures.work.compare = examined + samples;
    figures.work.integer = samples;
    AddIndices(kept, figures.work);
    figures.formulas = {{"sensitivity.patch",
                         "variance of the examined patches: per pixel and channel 1 add for the sum, 1 "
                         "fma for the squares, 1 compare per pixel; per sample 1 compare of its weight "
                         "and 1 step of the compacting prefix sum; an index for each kept"}};
    return figures;
  }

 private:
  // int(coarse_prop · ceil(B / patch²)), in IEEE double.
  static Count Examined(const OperatorCase& c) {
    const Count patches = CeilDivide(c.rays, c.Integer("patch_size") * c.Integer("patch_size"));
    return Count(std::trunc(c.parameters.Real("coarse_prop") * patches.real()));
  }
};

}  // namespace dvren::analysis
