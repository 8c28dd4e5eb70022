// "fused": rays, samples and integration in one kernel; nothing is stored per sample.
#pragma once

#include "analysis/operators/kernels/compose_kernel.h"
#include "analysis/operators/kernels/grid_field.h"
#include "analysis/operators/kernels/integrate_kernel.h"
#include "analysis/operators/kernels/ray_kernel.h"

namespace dvren::analysis {

class FusedKernel : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "FusedKernel",
                                      .op_type = "fused",
                                      .category = Category::kFieldCompute,
                                      .metric = "FLOPs",
                                      .parameters = GridFieldParameters(),
                                      .backward = BackwardRule::kUndefined,
                                      .published = false};
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckGridField(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  // In: the field alone; rays are made from the camera. Out: colour, opacity, depth, and the tape: transmittance, end.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    CorrectedFigures figures = Streams(c, 0, 7 * c.rays);
    figures.input_w = StoredValues(c.parameters);
    AddRaySetup(c, figures);
    AddGridSample(c, figures);
    AddIntegration(ActiveSamples(c), figures);
    AddComposition(c, figures);
    figures.work.footprint_bytes += c.Bytes(TouchedValues(c));
    return figures;
  }
};

}  // namespace dvren::analysis
