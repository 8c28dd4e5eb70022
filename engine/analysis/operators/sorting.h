// Sorting: items by depth (or opacity).
#pragma once

#include "analysis/operators/radix_sort.h"
#include "analysis/operators/volume_compositing.h"

namespace dvren::analysis {

class Sorting : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "SortingOperator",
        .op_type = "Sorting",
        .category = Category::kBlending,
        .parameters = {Text("sort_by", "depth", "changes no figure"),
                       Choice("order", "ascending", {"ascending", "descending"}, "changes no figure"), ActiveRatio(),
                       CorrectedOnly(PositiveInteger("key_bits", 32, "bits of a key: depth, and the tile's index")),
                       CorrectedOnly(IntegerFrom("payload", 3, 0,
                                                 "values of an item that move with it; 0: its index "
                                                 "alone"))}};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    ReferenceFigures figures = FromShapes({{c.rays, c.samples, 1}, {c.rays, c.samples, 3}}, {c.rays, c.samples, 3},
                                          c.total_samples * Log2(c.samples));
    figures.backward_num_ops = figures.num_ops;
    figures.backward_tensors = BlendingBackwardTensors(c);
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count items = ActiveSamples(c);
    const Count values = items * c.Integer("payload");
    if (c.backward) {
      const Count gradients = Max(values, items);
      CorrectedFigures figures = Streams(c, gradients, gradients);
      AddIndices(items, figures.work);
      figures.formulas = {{"permute.backward", "gradients go back by the kept permutation: 1 index per item"}};
      return figures;
    }
    CorrectedFigures figures = Streams(c, items, values);
    figures.input_a = items + values;
    figures.work.gather_bytes = c.Bytes(values);
    figures.work.footprint_bytes += c.Bytes(values);
    if (c.Integer("payload") == 0) figures.output = items;
    AddRadixSort(items, c.parameters.Integer("key_bits"), figures.work);
    figures.formulas = {kRadixSortFormula, {"sort.payload", "values are gathered once, in the sorted order"}};
    return figures;
  }
};

}  // namespace dvren::analysis
