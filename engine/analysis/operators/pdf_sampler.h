// PDFSampler: places along rays by inverting the cumulative weights of a coarse pass.
#pragma once

#include "analysis/operators/ray_samples.h"

namespace dvren::analysis {

class PdfSampler : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "PDFSamplerOperator",
                                      .op_type = "PDFSampler",
                                      .category = Category::kSampling,
                                      .parameters = {CoarseSamples(), ActiveRatio()},
                                      .backward_ratio_high = 1.125};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override { return ReferenceRaySamples(c); }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    if (c.backward) return RaySamplesBackward(c);
    CorrectedFigures figures = RaySamples(c);
    AddInverseCdf(c, figures);
    return figures;
  }
};

}  // namespace dvren::analysis
