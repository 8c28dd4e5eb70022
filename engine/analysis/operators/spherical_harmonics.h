// SphericalHarmonics: a colour from coefficients and a direction.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class SphericalHarmonics : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "SphericalHarmonicsOperator",
        .op_type = "SphericalHarmonics",
        .category = Category::kFieldCompute,
        .metric = "FLOPs",
        .parameters = {IntegerFrom("degree", 4, 0, "(degree + 1)^2 functions"),
                       Text("implementation", "torch", "changes no figure"), ActiveRatio(),
                       CorrectedOnly(
                           Flag("direction_gradient", false, "backward: the gradient of directions as well"))},
        .backward_ratio_low = 0.3,
        .backward_ratio_high = 3};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count functions = Functions(c);
    ReferenceFigures figures =
        FromShapes({{c.rays, c.samples, 3}, {3 * functions}}, {c.rays, c.samples, 3}, 10 * functions * c.total_samples);
    figures.backward_num_ops = figures.num_ops;
    return figures;
  }
  // Every item has coefficients of its own: a voxel's, a Gaussian's.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count items = ActiveSamples(c);
    const Count functions = Functions(c);
    const Count coefficients = 3 * functions * items;
    const Count basis = (functions - 1) * items;
    CorrectedFigures figures;
    if (!c.backward) {
      figures = Streams(c, 3 * items, 3 * items);
      figures.work.gather_bytes = c.Bytes(coefficients);
      figures.work.mul = basis;
      figures.work.fma = basis + coefficients;
      figures.work.add = 3 * items;
      figures.work.compare = 3 * items;
      figures.formulas = {{"sh.forward",
                           "basis by recurrence: 1 mul, 1 fma per function but the first (Sloan 2013); 3 fma "
                           "per function for the colour, 3 add and 3 compare for max(0, 0.5 + sum)"}};
    } else {
      const bool direction = c.parameters.Bool("direction_gradient");
      // The gradient of the colour, and the direction from which the basis is made anew.
      figures = Streams(c, 6 * items, 0);
      figures.output = coefficients + (direction ? 3 * items : Count(0));
      figures.work.scatter_bytes = c.Bytes(coefficients);
      figures.work.mul = basis + coefficients;
      figures.work.fma = basis;
      figures.work.compare = 3 * items;
      if (direction) {
        figures.work.gather_bytes = c.Bytes(coefficients);
        figures.work.fma += coefficients + 6 * basis;
        figures.work.stream_write_bytes = c.Bytes(3 * items);
        figures.work.footprint_bytes += figures.work.stream_write_bytes;
      }
      figures.formulas = {{"sh.backward",
                           "the basis anew; dL/dcoefficient = basis·g: 3 mul per function; with "
                           "direction_gradient 3 fma per function to weigh, 6 fma for 3 derivatives each; "
                           "a row of coefficients belongs to one item: no collisions"}};
    }
    figures.input_w = coefficients;
    figures.work.footprint_bytes += c.Bytes(coefficients);
    return figures;
  }

 private:
  static Count Functions(const OperatorCase& c) { return (c.Integer("degree") + 1) * (c.Integer("degree") + 1); }
};

}  // namespace dvren::analysis
