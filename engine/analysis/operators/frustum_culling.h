// FrustumCulling: which Gaussians lie within the camera's frustum. The published class is misspelt.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class FrustumCulling : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "FrustrumCullingOperator",
                                      .op_type = "FrustumCulling",
                                      .category = Category::kSampling,
                                      .dimensions = 1,
                                      .parameters = {PositiveReal("fov", 60, "degrees; changes no figure"),
                                                     PositiveReal("near", 0.1, "world units; changes no figure"),
                                                     PositiveReal("far", 100, "world units; changes no figure"),
                                                     Flag("conservative", false, "changes no figure"),
                                                     Ratio("cull_ratio", 0.5, "share of the Gaussians that are kept")},
                                      .backward = BackwardRule::kUndefined,
                                      .takes_bitwidth = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromShapes({{c.rays, 3}, {4, 4}}, {Ceil(c.parameters.Real("cull_ratio") * c.rays.real()), 1}, 17 * c.rays);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count kept = c.rays * Count(c.parameters.Real("cull_ratio"));
    CorrectedFigures figures = Streams(c, 3 * c.rays, 0);
    figures.input_w = 12;
    figures.output = kept;
    figures.work.parameter_read_bytes = c.Bytes(12);
    figures.work.footprint_bytes += c.Bytes(12);
    figures.work.fma = 9 * c.rays;
    figures.work.mul = 2 * c.rays;
    figures.work.compare = 6 * c.rays;
    figures.work.integer = c.rays;
    AddIndices(kept, figures.work);
    figures.formulas = {{"gaussian.cull",
                         "per Gaussian: mean to camera space by a 3x4 matrix (9 fma), two half-widths of "
                         "the frustum at its depth (2 mul), 6 planes (6 compare), 1 step of the prefix "
                         "sum that compacts; an index for each kept"}};
    return figures;
  }
};

}  // namespace dvren::analysis
