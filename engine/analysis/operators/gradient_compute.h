// GradientCompute (GSArch): gradients of a splat's shape and opacity from those of its alphas.
#pragma once

#include "analysis/operators/splat_features.h"

namespace dvren::analysis {

class GradientCompute : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "GradientComputeOperator",
                                      .op_type = "GradientCompute",
                                      .category = Category::kOptimization,
                                      .metric = "FLOPs",
                                      .parameters = Joined({{ActiveRatio()}, SplatListParameters()}),
                                      .backward = BackwardRule::kSameWork,
                                      .backward_default = true};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(3 * c.rays, 2 * c.total_samples, 3 * c.total_samples, 16 * c.total_samples);
  }
  // In: gradients and values of the alphas, shapes. Out: mean 2, inverse covariance 3, opacity per (Gaussian, tile)
  // pair.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const SplatSizes sizes = CountSplats(c);
    const Count active = ActiveSamples(c);
    CorrectedFigures figures = Streams(c, 2 * active, 6 * sizes.pairs);
    figures.input_a += kShapeValues * sizes.gaussians;
    figures.input_w = sizes.gaussians;
    figures.work.gather_bytes = c.Bytes((kShapeValues + 1) * sizes.pairs);
    figures.work.footprint_bytes += c.Bytes((kShapeValues + 1) * sizes.gaussians);
    figures.work.add = (2 + 6) * active;
    figures.work.mul = 5 * active;
    figures.work.fma = 4 * active;
    figures.formulas = {{"splat.gradient",
                         "offset 2 sub; opacity 1 mul; mean 2 mul, 2 fma; inverse covariance 2 mul, 2 fma "
                         "per (Gaussian, pixel); 6 values summed over a tile's pixels (1 add each)"}};
    return figures;
  }
};

}  // namespace dvren::analysis
