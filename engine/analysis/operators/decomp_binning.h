// DecompBinning (GBU): decorrelates a splat's covariance and bins it into tiles.
#pragma once

#include "analysis/operators/splat_features.h"

namespace dvren::analysis {

class DecompBinning : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "DecompBinningOperator",
                                      .op_type = "DecompBinning",
                                      .category = Category::kOptimization,
                                      .parameters = Joined({{ActiveRatio()}, SplatListParameters()}),
                                      .backward_ratio_low = 1,
                                      .backward_ratio_high = 4};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(5 * c.total_samples, 0, 5 * c.total_samples, 12 * c.total_samples);
  }
  // In: shape of each Gaussian and the indices of pairs. Out: 5 decorrelated values per pair. Backward: 6 gradients per
  // pair (mean 2, shape 3, opacity) to 6 per Gaussian.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const SplatSizes sizes = CountSplats(c);
    if (c.backward) {
      CorrectedFigures figures = Streams(c, 6 * sizes.pairs, 0);
      figures.output = 6 * sizes.gaussians;
      figures.work.fma = 3 * sizes.pairs + 6 * sizes.gaussians;
      figures.work.mul = 10 * sizes.gaussians;
      figures.work.add = 6 * sizes.pairs;
      figures.work.scatter_bytes = c.Bytes(6 * sizes.pairs);
      figures.work.footprint_bytes += c.Bytes(figures.output);
      AddIndices(sizes.pairs, figures.work);
      figures.collision_factor = TilesPerGaussian(c.parameters);
      figures.formulas = {{"splat.decompose.backward",
                           "gradients back to screen coordinates 3 fma, 6 values added to the "
                           "Gaussian's row per pair; the adjoint of the factor 6 fma, 10 mul "
                           "per Gaussian"}};
      return figures;
    }
    CorrectedFigures figures = Streams(c, kShapeValues * sizes.gaussians, 5 * sizes.pairs);
    figures.input_a += sizes.pairs;
    figures.work.special = 2 * sizes.gaussians;
    figures.work.mul = 4 * sizes.gaussians;
    figures.work.fma = 3 * sizes.gaussians + 2 * sizes.pairs;
    figures.work.integer = 2 * sizes.pairs;
    AddIndices(sizes.pairs, figures.work);
    figures.formulas = {{"splat.decompose",
                         "Cholesky factor of a 2x2 matrix: 2 sqrt, 4 mul, 3 fma per Gaussian; origin in "
                         "its coordinates 2 fma, bin and place 2 integer per pair"}};
    return figures;
  }
};

}  // namespace dvren::analysis
