// UniformSampler: places along rays, evenly spaced, or by a density when sampler_type is "pdf".
#pragma once

#include "analysis/operators/ray_samples.h"

namespace dvren::analysis {

class UniformSampler : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "UniformSamplerOperator",
        .op_type = "UniformSampler",
        .other_names = {"PdfSampler"},
        .category = Category::kSampling,
        .parameters = {Choice("sampler_type", "uniform", {"uniform", "pdf"}, "how places along the ray are chosen"),
                       CoarseSamples(), ActiveRatio()},
        .backward_ratio_high = 1.125};
    return info;
  }
  std::string OpType(const Parameters& parameters) const override {
    return parameters.Text("sampler_type") == "pdf" ? "PdfSampler" : "UniformSampler";
  }
  ReferenceFigures Reference(const OperatorCase& c) const override { return ReferenceRaySamples(c); }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    if (c.backward) return RaySamplesBackward(c);
    CorrectedFigures figures = RaySamples(c);
    if (c.parameters.Text("sampler_type") == "pdf") AddInverseCdf(c, figures);
    return figures;
  }
};

}  // namespace dvren::analysis
