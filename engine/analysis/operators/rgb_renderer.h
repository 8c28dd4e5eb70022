// RGBRenderer: the colour of a ray from the colours and densities of its samples.
#pragma once

#include "analysis/operators/volume_compositing.h"

namespace dvren::analysis {

class RgbRenderer : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "RGBRendererOperator",
        .op_type = "RGBRenderer",
        .category = Category::kBlending,
        .metric = "FLOPs",
        .parameters = {Text("background_color", "random", "changes no figure"), ActiveRatio()},
        .backward_ratio_low = 1,
        .backward_ratio_high = 2};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    ReferenceFigures figures =
        FromShapes({{c.rays, c.samples, 3}, {c.rays, c.samples, 1}}, {c.rays, 3}, 6 * c.total_samples);
    figures.backward_num_ops = figures.num_ops;
    figures.backward_tensors = BlendingBackwardTensors(c);
    return figures;
  }
  // In: colour, density, segment length of each sample. Out: colour and transmittance of each ray.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    if (!c.backward) {
      CorrectedFigures figures = Streams(c, 5 * samples, 4 * c.rays);
      AddTransmittance(samples, figures.work);
      figures.work.fma = 3 * samples + 3 * c.rays;
      figures.formulas = {kTransmittanceFormula,
                          {"composite.color", "C += w·c: 3 fma per active sample; background 3 fma per ray"}};
      return figures;
    }
    CorrectedFigures figures = Streams(c, 5 * samples + 4 * c.rays, 4 * samples);
    AddTransmittance(samples, figures.work);
    figures.work.fma = 5 * samples + 3 * c.rays;
    figures.work.mul += 4 * samples;
    figures.formulas = {
        kTransmittanceFormula,
        {"composite.color.backward",
         "the march again from the kept final transmittance; per active sample g·c 3 fma, suffix 1 fma, "
         "T·(g·c) - suffix 1 fma, times dt 1 mul, dL/dc = w·g 3 mul; g·background 3 fma per ray"}};
    return figures;
  }
};

}  // namespace dvren::analysis
