// "ray": pixels to rays in world space.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

// The camera and the clipping against the field's box, once per ray.
inline void AddRaySetup(const OperatorCase& c, CorrectedFigures& figures) {
  figures.work.fma += 24 * c.rays;
  figures.work.mul += 14 * c.rays;
  figures.work.add += 9 * c.rays;
  figures.work.special += c.rays;
  figures.work.compare += 24 * c.rays;
  figures.work.integer += 6 * c.rays;
  figures.formulas.push_back({"ray.setup",
                              "per ray: pixel to camera 2 fma, direction 6 fma and 3 mul, its length 3 fma, 1 "
                              "sqrt, 3 div; to grid space 9 fma; box 6 sub, 6 div, 18 compare; first and last "
                              "segment 4 fma, 3 sub, 2 div, 6 compare, 6 integer"});
}

class RayKernel : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "RayKernel",
                                      .op_type = "ray",
                                      .category = Category::kSampling,
                                      .metric = "FLOPs",
                                      .dimensions = 1,
                                      .backward = BackwardRule::kUndefined,
                                      .published = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  // Out: origin, direction, near, far.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    CorrectedFigures figures = Streams(c, 0, 8 * c.rays);
    AddRaySetup(c, figures);
    return figures;
  }
};

}  // namespace dvren::analysis
