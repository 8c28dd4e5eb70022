// Projection: 3D Gaussians to screen ellipses.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class Projection : public Operator {
 public:
  // Values of a Gaussian that projection reads: mean 3, scale 3, quaternion 4.
  static constexpr int kParametersIn = 10;
  // Values that it makes: mean 2, inverse covariance 3, depth, radius.
  static constexpr int kValuesOut = 7;
  static constexpr int kFma = 9 + 4 + 9 + 18 + 6 + 18 + 9 + 2 + 3;
  static constexpr int kMul = 7 + 4 + 9 + 9 + 6 + 5 + 3;

  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "ProjectionOperator",
        .op_type = "Projection",
        .category = Category::kSampling,
        .dimensions = 1,
        .parameters = {PositiveInteger("width", 800, "pixels; changes no figure"),
                       PositiveInteger("height", 600, "pixels; changes no figure"),
                       Choice("projection_type", "perspective", {"perspective", "orthographic"}, "changes no figure")},
        .takes_bitwidth = false,
        .backward_ratio_low = 1,
        .backward_ratio_high = 2};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromShapes({{c.rays, 9}, {4, 4}}, {c.rays, 5}, 72 * c.rays);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count parameters = kParametersIn * c.rays;
    CorrectedFigures figures;
    WorkCount& work = figures.work;
    figures.input_w = parameters;
    work.gather_bytes = c.Bytes(parameters);
    if (!c.backward) {
      figures.input_a = c.rays;  // the indices of the kept
      figures.output = kValuesOut * c.rays;
      work.stream_write_bytes = c.Bytes(figures.output);
      work.fma = kFma * c.rays;
      work.mul = kMul * c.rays;
      work.add = 8 * c.rays;
      work.special = 2 * c.rays;
      work.compare = 2 * c.rays;
      figures.formulas = {
          {"gaussian.project",
           "fma, mul per Gaussian: mean to camera 9, 0; perspective and its Jacobian 0, 7; quaternion 4, 4 and 1 sqrt; "
           "rotation 9, 9 and 3 add; its columns times scale 0, 9; covariance 6x3, 0; Jacobian (2 entries a row) times "
           "view 6, 6; times covariance 2x3x3, 0; times its transpose 3x3, 0 and 2 add; inverse 2, 5; radius 3, 3, "
           "3 add, 1 sqrt. EWA splatting: Zwicker et al. 2001; Kerbl et al. 2023, eq. 5, 6"}};
    } else {
      figures.input_a = 5 * c.rays;  // gradients of mean and inverse covariance
      figures.output = parameters;
      work.stream_read_bytes = c.Bytes(figures.input_a);
      work.scatter_bytes = c.Bytes(parameters);
      work.fma = 2 * kFma * c.rays;
      work.mul = (2 * kMul + 2) * c.rays;
      figures.formulas = {
          {"gaussian.project.backward",
           "the adjoint of a product is two products: 2 fma for each fma, 2 mul for each mul, 1 mul for "
           "each sqrt; sums pass their gradient on. One Gaussian is one row: no collisions"}};
    }
    AddIndices(c.rays, work);
    work.footprint_bytes += work.gather_bytes + work.stream_read_bytes + work.stream_write_bytes + work.scatter_bytes;
    return figures;
  }
};

}  // namespace dvren::analysis
