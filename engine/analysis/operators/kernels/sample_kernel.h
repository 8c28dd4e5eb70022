// "sample": colour and density of every sample, stored.
#pragma once

#include "analysis/operators/kernels/grid_field.h"

namespace dvren::analysis {

class SampleKernel : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "SampleKernel",
                                      .op_type = "sample",
                                      .category = Category::kSampling,
                                      .metric = "FLOPs",
                                      .parameters = GridFieldParameters(),
                                      .backward = BackwardRule::kUndefined,
                                      .published = false};
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckGridField(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  // In: rays. Out: colour, density, place and length of each sample.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    CorrectedFigures figures = Streams(c, 8 * c.rays, 6 * ActiveSamples(c));
    figures.input_w = StoredValues(c.parameters);
    AddGridSample(c, figures);
    figures.work.footprint_bytes += c.Bytes(TouchedValues(c));
    return figures;
  }
};

}  // namespace dvren::analysis
