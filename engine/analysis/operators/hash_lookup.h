// HashLookup: table entries of the corners; backward adds their gradients into the table.
#pragma once

#include "analysis/operators/hash_grid.h"

namespace dvren::analysis {

class HashLookup : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = [] {
      OperatorInfo made{.class_name = "HashLookupOperator",
                        .op_type = "HashLookup",
                        .category = Category::kEncoding,
                        .metric = "FLOPs",
                        .parameters = HashGridParameters()};
      made.parameters.push_back(Fused(false));
      made.parameters.push_back(Reuse());
      return made;
    }();
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckHashGrid(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count levels = c.Integer("num_levels");
    const Count features = c.Integer("features_per_level");
    ReferenceFigures figures = FromShapes(
        {{c.rays, c.samples, 8 * levels}, {PowerOfTwo(c.parameters.Integer("log2_hashmap_size")) * features * levels}},
        {c.rays, c.samples, 8 * levels * features}, 0);
    figures.backward_num_ops = 0;
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count features = c.Integer("features_per_level");
    const HashAccesses accesses = CountAccesses(c);
    const bool fused = c.parameters.Bool("fused");
    const Count table = TableParameters(c.parameters);
    CorrectedFigures figures;
    WorkCount& work = figures.work;
    figures.input_w = table;
    work.integer = accesses.all;
    work.footprint_bytes = c.Bytes(accesses.unique * features);
    if (!fused) AddIndices(accesses.all, work);
    const Count corner_values = accesses.all * features;
    if (!c.backward) {
      figures.input_a = accesses.all;
      figures.output = corner_values;
      work.gather_bytes = c.Bytes(accesses.issued * features);
      if (!fused) work.stream_write_bytes = c.Bytes(corner_values);
      figures.formulas = {
          {"hash.gather",
           "2^D·L·F values per sample at computed places; footprint at most min(entries, 2^D·S) per level, "
           "entries = min(2^log2_hashmap_size, (resolution+1)^D); reuse drops repeated accesses"}};
    } else {
      figures.input_a = corner_values;
      figures.output = table;
      work.scatter_bytes = c.Bytes(accesses.issued * features);
      work.add = corner_values;
      if (!fused) work.stream_read_bytes = c.Bytes(corner_values);
      figures.collision_factor = accesses.all.real() / accesses.unique.real();
      figures.formulas = {
          {"hash.scatter",
           "the adjoint of the gather: 2^D·L·F values per sample added (1 add each) at the same places; "
           "collision factor = updates over different entries; reuse merges updates before they leave"}};
    }
    work.footprint_bytes += work.stream_read_bytes + work.stream_write_bytes;
    return figures;
  }
};

}  // namespace dvren::analysis
