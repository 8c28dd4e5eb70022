// Interpolation: features of a sample from those of its corners.
#pragma once

#include "analysis/operators/hash_grid.h"

namespace dvren::analysis {

class Interpolation : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = [] {
      OperatorInfo made{.class_name = "InterpolationOperator",
                        .op_type = "Interpolation",
                        .category = Category::kEncoding,
                        .metric = "FLOPs",
                        .parameters = HashGridParameters(),
                        .backward_ratio_low = 0.5,
                        .backward_ratio_high = 2};
      made.parameters.push_back(Fused(false));
      made.parameters.push_back(PositionGradient());
      return made;
    }();
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckHashGrid(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count levels = c.Integer("num_levels");
    const Count features = c.Integer("features_per_level");
    ReferenceFigures figures =
        FromShapes({{c.rays, c.samples, 8 * levels * features}, {c.rays, c.samples, 8 * levels}},
                   {c.rays, c.samples, levels * features}, 16 * c.total_samples * levels * features);
    figures.backward_num_ops = figures.num_ops;
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count corners = Corners(c.parameters);
    const Count cells = ActiveSamples(c) * c.Integer("num_levels");
    const Count out = cells * c.Integer("features_per_level");
    const bool linear = !(corners == 1);
    const bool fused = c.parameters.Bool("fused");
    CorrectedFigures figures;
    WorkCount& work = figures.work;
    const Count corner_values = corners * out;
    const Count weights = linear ? corners * cells : Count(0);
    if (!c.backward) {
      figures.input_a = corner_values;
      figures.input_w = weights;
      figures.output = out;
      if (linear) {
        work.mul = out;
        work.fma = (corners - 1) * out;
      }
      if (!fused) work.stream_read_bytes = c.Bytes(corner_values + weights);
      work.stream_write_bytes = c.Bytes(out);
      figures.formulas = {
          {"hash.interpolate", "sum of 2^D weighted corner features: 1 mul and 2^D - 1 fma per feature"}};
    } else {
      figures.input_a = out;
      figures.input_w = weights;
      figures.output = corner_values;
      if (linear) work.mul = corner_values;
      work.stream_read_bytes = c.Bytes(out);
      if (!fused) {
        work.stream_read_bytes += c.Bytes(weights);
        work.stream_write_bytes = c.Bytes(corner_values);
      }
      if (linear && c.parameters.Bool("position_gradient")) {
        work.fma = corner_values;
        figures.output += weights;
        if (!fused) work.stream_write_bytes += c.Bytes(weights);
        // The corner features are read again for dL/dweight.
        figures.input_a += corner_values;
        work.gather_bytes = c.Bytes(corner_values);
      }
      figures.formulas = {{"hash.interpolate.backward",
                           "dL/dfeature = weight·g: 1 mul per corner feature; with "
                           "position_gradient dL/dweight = feature·g: 1 fma each"}};
    }
    work.footprint_bytes = work.stream_read_bytes + work.stream_write_bytes;
    return figures;
  }
};

}  // namespace dvren::analysis
