// "backward": the fused march again, with the adjoint of every sample as it comes by.
#pragma once

#include "analysis/operators/kernels/grid_field.h"
#include "analysis/operators/kernels/ray_kernel.h"

namespace dvren::analysis {

class BackwardKernel : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "BackwardKernel",
                                      .op_type = "backward",
                                      .category = Category::kFieldCompute,
                                      .metric = "FLOPs",
                                      .parameters = GridFieldParameters(),
                                      .backward = BackwardRule::kSameWork,
                                      .published = false};
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckGridField(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  // In: gradients of the colours, the tape and the colours. Out: the field's gradient.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    CorrectedFigures figures = Streams(c, 10 * c.rays, 0);
    figures.input_w = figures.output = StoredValues(c.parameters);
    AddRaySetup(c, figures);
    AddGridSample(c, figures);
    AddTransmittance(samples, figures.work);
    figures.work.fma += 5 * samples + 3 * c.rays;
    figures.work.mul += 5 * samples;
    figures.formulas.push_back(
        {"backward.march",
         "per active sample the march again; g·c 3 fma, suffix 1 fma, T·(g·c) - suffix 1 fma, times "
         "dt 1 mul, dL/dc = w·g 3 mul, times the density's scale 1 mul"});
    AddGridScatter(c, figures);
    figures.work.footprint_bytes += c.Bytes(TouchedValues(c));
    return figures;
  }
};

}  // namespace dvren::analysis
