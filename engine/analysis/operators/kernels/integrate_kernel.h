// "integrate": stored samples to transmittance-weighted sums.
#pragma once

#include "analysis/operators/volume_compositing.h"

namespace dvren::analysis {

// C += w·c and D += w·t of each active sample.
inline void AddIntegration(const Count& samples, CorrectedFigures& figures) {
  AddTransmittance(samples, figures.work);
  figures.work.fma += 4 * samples;
  figures.formulas.push_back(kTransmittanceFormula);
  figures.formulas.push_back({"integrate.sums", "C += w·c 3 fma, D += w·t 1 fma per active sample"});
}

class IntegrateKernel : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "IntegrateKernel",
                                      .op_type = "integrate",
                                      .category = Category::kBlending,
                                      .metric = "FLOPs",
                                      .parameters = {ActiveRatio()},
                                      .backward = BackwardRule::kUndefined,
                                      .published = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  // Out: colour, transmittance and its compensation, depth of each ray.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    CorrectedFigures figures = Streams(c, 6 * samples, 6 * c.rays);
    AddIntegration(samples, figures);
    return figures;
  }
};

}  // namespace dvren::analysis
