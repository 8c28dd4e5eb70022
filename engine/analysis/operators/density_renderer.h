// DensityRenderer: the depth of a ray, as expected value or as median.
#pragma once

#include "analysis/operators/volume_compositing.h"

namespace dvren::analysis {

class DensityRenderer : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "DensityRendererOperator",
        .op_type = "DensityRenderer",
        .category = Category::kBlending,
        .metric = "FLOPs",
        .parameters = {Choice("method", "median", {"median", "expected"}, "which depth; reference: changes no figure"),
                       ActiveRatio()},
        .backward_ratio_low = 1,
        .backward_ratio_high = 2};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    ReferenceFigures figures =
        FromShapes({{c.rays, c.samples, 1}, {c.rays, c.samples, 1}}, {c.rays, 1}, c.total_samples);
    figures.backward_num_ops = figures.num_ops;
    figures.backward_tensors = BlendingBackwardTensors(c);
    return figures;
  }
  // In: density and place of each sample, whose segment length is the difference of places. Out: a depth per ray.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    const bool expected = c.parameters.Text("method") == "expected";
    CorrectedFigures figures = c.backward ? Streams(c, 2 * samples + c.rays, samples) : Streams(c, 2 * samples, c.rays);
    AddTransmittance(samples, figures.work);
    figures.work.add += samples;
    figures.formulas = {kTransmittanceFormula};
    if (!expected) {
      figures.work.compare += samples;
      figures.formulas.push_back({"composite.median",
                                  "1 sub for the segment, 1 compare of T with 1/2 per sample; backward "
                                  "finds the sample again and passes its gradient to the place"});
    } else if (!c.backward) {
      figures.work.fma = samples;
      figures.formulas.push_back({"composite.depth", "1 sub for the segment, D += w·t 1 fma per active sample"});
    } else {
      figures.work.fma = 2 * samples;
      figures.work.mul += 2 * samples;
      figures.formulas.push_back({"composite.depth.backward",
                                  "the march again; g·t 1 mul, suffix 1 fma, T·(g·t) - suffix "
                                  "1 fma, times dt 1 mul"});
    }
    return figures;
  }
};

}  // namespace dvren::analysis
