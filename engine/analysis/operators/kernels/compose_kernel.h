// "compose": sums and background to the images of a frame.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

// C += T·background, opacity, hit: once per ray.
inline void AddComposition(const OperatorCase& c, CorrectedFigures& figures) {
  figures.work.fma += 3 * c.rays;
  figures.work.add += c.rays;
  figures.work.compare += c.rays;
  figures.formulas.push_back({"compose.background", "per ray: background 3 fma, opacity 1 sub, hit 1 compare"});
}

class ComposeKernel : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "ComposeKernel",
                                      .op_type = "compose",
                                      .category = Category::kBlending,
                                      .metric = "FLOPs",
                                      .dimensions = 1,
                                      .backward = BackwardRule::kUndefined,
                                      .published = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    CorrectedFigures figures = Streams(c, 6 * c.rays, 5 * c.rays);
    AddComposition(c, figures);
    return figures;
  }
};

}  // namespace dvren::analysis
