// PositionalEncoding: sines and cosines of a position at doubling frequencies (Mildenhall et al. 2020, eq. 4). The
// reference uses random Fourier features in its place.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class PositionalEncoding : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "PositionalEncodingOperator",
        .op_type = "PositionalEncoding",
        .category = Category::kEncoding,
        .metric = "FLOPs",
        .parameters = {PositiveInteger("input_dim", 3, "coordinates of a position"),
                       PositiveInteger("frequencies", 10, "octaves"),
                       Flag("include_input", true, "the position itself is part of the output"), ActiveRatio()},
        .published = false,
        .backward_ratio_low = 1,
        .backward_ratio_high = 2};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count inputs = c.Integer("input_dim") * ActiveSamples(c);
    const Count angles = inputs * c.Integer("frequencies");
    const Count width = 2 * angles + (c.parameters.Bool("include_input") ? inputs : Count(0));
    if (!c.backward) {
      CorrectedFigures figures = Streams(c, inputs, width);
      figures.work.mul = angles;
      figures.work.special = 2 * angles;
      figures.formulas = {{"positional.forward",
                           "D·f angles 2^k·pi·x 1 mul, a sine and a cosine each; width D(2f + 1), or "
                           "2·D·f without the input"}};
      return figures;
    }
    CorrectedFigures figures = Streams(c, width + 2 * angles, inputs);
    figures.work.mul = angles;
    figures.work.fma = 2 * angles;
    figures.formulas = {{"positional.backward",
                         "g_sin·cos - g_cos·sin 1 mul, 1 fma with the kept values; times 2^k·pi and "
                         "summed 1 fma"}};
    return figures;
  }
};

}  // namespace dvren::analysis
