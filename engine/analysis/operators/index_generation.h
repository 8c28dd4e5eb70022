// IndexGeneration: the corners of each sample's cell on every level, as table indices and interpolation weights.
#pragma once

#include "analysis/operators/hash_grid.h"

namespace dvren::analysis {

class IndexGeneration : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = [] {
      OperatorInfo made{.class_name = "IndexGenerationOperator",
                        .op_type = "IndexGeneration",
                        .category = Category::kEncoding,
                        .metric = "FLOPs",
                        .parameters = HashGridParameters(),
                        .backward_ratio_low = 1,
                        .backward_ratio_high = 6};
      made.parameters.push_back(Fused(false));
      made.parameters.push_back(PositionGradient());
      return made;
    }();
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckHashGrid(info().op_type, c.parameters); }
  // 8 corners of 5 operations for the weight and 2 for the hash, whatever input_dim is.
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count levels = c.Integer("num_levels");
    ReferenceFigures figures = FromShapes({{c.rays, c.samples, c.Integer("input_dim")}},
                                          {c.rays, c.samples, 16 * levels}, 56 * c.total_samples * levels);
    figures.backward_num_ops = figures.num_ops;
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    const Count dimensions = c.Integer("input_dim");
    const Count levels = c.Integer("num_levels");
    const Count corners = Corners(c.parameters);
    const bool linear = !(corners == 1);
    CorrectedFigures figures = Streams(c, dimensions * samples, 0);
    WorkCount& work = figures.work;
    const Count cells = samples * levels;
    work.fma = dimensions * cells;
    if (linear) {
      work.add = 2 * dimensions * cells;
      work.mul = (2 * corners - 4) * cells;
    }
    for (const HashLevel& level : HashLevels(c.parameters)) {
      const Count per_corner = level.dense ? dimensions - 1 : dimensions;
      work.integer += samples * (dimensions + (linear ? 2 : 1) * (dimensions - 1) + corners * per_corner);
    }
    const Count pairs = corners * cells;
    figures.output = 2 * pairs;
    if (!c.parameters.Bool("fused")) {
      work.stream_write_bytes = c.Bytes(pairs);
      work.footprint_bytes += c.Bytes(pairs);
      AddIndices(pairs, work);
    }
    figures.formulas = {
        {"hash.index",
         "per sample and level: D fma to cell units, D floor; fraction and 1 - fraction 2D add; products "
         "of the 2^D weights built axis by axis 2^(D+1) - 4 mul; strides or primes 2(D-1) integer mul; "
         "per corner D-1 add on a dense level, D-1 xor and 1 mask on a hashed one (Müller et al. 2022, "
         "eq. 4)"}};
    if (c.backward) AddBackward(c, pairs, figures);
    return figures;
  }

 private:
  // Indices and weights are made again rather than kept; with position_gradient also dL/dp.
  static void AddBackward(const OperatorCase& c, const Count& pairs, CorrectedFigures& figures) {
    figures.formulas.push_back({"hash.index.backward",
                                "recomputes the forward; with position_gradient D·2^D mul and fma "
                                "for the derivatives of the weights, D mul by the resolution"});
    if (!c.parameters.Bool("position_gradient")) return;
    const Count dimensions = c.Integer("input_dim");
    const Count gradient = dimensions * ActiveSamples(c);
    figures.input_a += pairs;
    figures.output += gradient;
    figures.work.mul += dimensions * pairs + gradient * c.Integer("num_levels");
    figures.work.fma += dimensions * pairs;
    figures.work.stream_write_bytes += c.Bytes(gradient);
    figures.work.footprint_bytes += c.Bytes(gradient);
    if (c.parameters.Bool("fused")) return;
    figures.work.stream_read_bytes += c.Bytes(pairs);
    figures.work.footprint_bytes += c.Bytes(pairs);
  }
};

}  // namespace dvren::analysis
