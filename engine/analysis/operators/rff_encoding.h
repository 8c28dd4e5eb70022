// RFFEncoding: random Fourier features (Tancik et al. 2020).
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class RffEncoding : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "RFFEncodingOperator",
        .op_type = "RFFEncoding",
        .category = Category::kEncoding,
        .metric = "FLOPs",
        .parameters = {PositiveInteger("input_dim", 3, "coordinates of a position"),
                       PositiveInteger("num_features", 256, "random directions"),
                       PositiveReal("scale", 1, "changes no figure"),
                       Flag("use_sin_cos", true, "sine and cosine of each projection, not one of them"),
                       Text("implementation", "torch", "changes no figure"), ActiveRatio()},
        .backward_ratio_low = 1,
        .backward_ratio_high = 2};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count dimensions = c.Integer("input_dim");
    const Count directions = c.Integer("num_features");
    const Count out = c.parameters.Bool("use_sin_cos") ? 2 * directions : directions;
    ReferenceFigures figures =
        FromShapes({{c.rays, c.samples, dimensions}, {dimensions, directions}}, {c.rays, c.samples, out},
                   c.total_samples * (2 * dimensions * directions + out));
    figures.backward_num_ops = figures.num_ops;
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    const Count dimensions = c.Integer("input_dim");
    const Count directions = c.Integer("num_features");
    const bool both = c.parameters.Bool("use_sin_cos");
    const Count out = both ? 2 * directions : directions;
    const Count matrix = dimensions * directions;
    CorrectedFigures figures;
    if (!c.backward) {
      figures = Streams(c, dimensions * samples, out * samples);
      figures.work.fma = matrix * samples;
      figures.work.special = out * samples;
      figures.formulas = {{"rff.forward", "D·K fma for the projections, one sine or cosine per output"}};
    } else {
      // With both, the derivative of each is the other one, kept from forward; with one it is made anew.
      const Count kept = both ? out * samples : dimensions * samples;
      figures = Streams(c, out * samples + kept, dimensions * samples);
      figures.work.mul = directions * samples;
      figures.work.fma = ((both ? directions : matrix) + matrix) * samples;
      if (!both) figures.work.special = directions * samples;
      figures.formulas = {{"rff.backward",
                           "g_sin·cos - g_cos·sin: 1 mul, 1 fma per direction (or the projection and its "
                           "sine anew, 1 mul); D·K fma back to positions; the matrix is random, not "
                           "trained"}};
    }
    figures.input_w = matrix;
    figures.work.parameter_read_bytes = c.Bytes(matrix);
    figures.work.footprint_bytes += c.Bytes(matrix);
    return figures;
  }
};

}  // namespace dvren::analysis
