// FeatureCompute (GSArch): the alphas of (Gaussian, pixel), apart from their blending.
#pragma once

#include "analysis/operators/splat_features.h"

namespace dvren::analysis {

class FeatureCompute : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "FeatureComputeOperator",
                                      .op_type = "FeatureCompute",
                                      .category = Category::kOptimization,
                                      .metric = "FLOPs",
                                      .parameters = Joined({{ActiveRatio()}, SplatListParameters()}),
                                      .backward = BackwardRule::kSameWork};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(4 * c.total_samples, 0, 3 * c.total_samples, 12 * c.total_samples);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const SplatSizes sizes = CountSplats(c);
    const Count active = ActiveSamples(c);
    CorrectedFigures figures = Streams(c, 0, active);
    figures.input_a = sizes.pairs + kShapeValues * sizes.gaussians;
    figures.input_w = sizes.gaussians;
    figures.work.gather_bytes = c.Bytes((kShapeValues + 1) * sizes.pairs);
    figures.work.footprint_bytes += c.Bytes((kShapeValues + 1) * sizes.gaussians);
    AddIndices(sizes.pairs, figures.work);
    AddSplatAlpha(active, figures.work);
    figures.formulas = {kSplatAlphaFormula};
    return figures;
  }
};

}  // namespace dvren::analysis
