// PointArrange: sorts sample positions along a space-filling curve, so that neighbours in space are neighbours in time.
#pragma once

#include "analysis/operators/hash_grid.h"
#include "analysis/operators/radix_sort.h"

namespace dvren::analysis {

class PointArrange : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "PointArrangeOperator",
                                      .op_type = "PointArrange",
                                      .category = Category::kEncoding,
                                      .metric = "FLOPs",
                                      .parameters = HashGridParameters()};
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckHashGrid(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count dimensions = c.Integer("input_dim");
    ReferenceFigures figures = FromShapes({{c.rays, c.samples, dimensions}}, {c.rays, c.samples, dimensions},
                                          4 * c.total_samples + 2 * c.total_samples * Log2(c.total_samples));
    figures.backward_num_ops = figures.num_ops;
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    const Count dimensions = c.Integer("input_dim");
    CorrectedFigures figures = Streams(c, dimensions * samples, dimensions * samples);
    if (c.backward) {
      AddIndices(samples, figures.work);
      figures.formulas = {{"permute.backward", "gradients go back by the kept permutation: 1 index per sample"}};
      return figures;
    }
    figures.work.mul = dimensions * samples;
    figures.work.integer = 16 * dimensions * samples;
    figures.work.gather_bytes = c.Bytes(dimensions * samples);
    AddRadixSort(samples, 32, figures.work);
    figures.formulas = {
        {"points.morton",
         "Morton code: per coordinate 1 mul to cells and 5 rounds of shift, or, and (15 integer) plus 1 "
         "to join; positions gathered in the new order"},
        kRadixSortFormula};
    return figures;
  }
};

}  // namespace dvren::analysis
