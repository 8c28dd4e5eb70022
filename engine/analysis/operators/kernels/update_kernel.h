// "update": a step of the optimizer over a field's values. `rays` of a request counts them.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class UpdateKernel : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "UpdateKernel",
        .op_type = "update",
        .category = Category::kOptimization,
        .metric = "FLOPs",
        .dimensions = 1,
        .parameters = {Choice("kind", "adam", {"adam", "adamw", "rmsprop", "sgd"}, "the rule"),
                       Ratio("touched", 1,
                             "share of the values that have a gradient; a sparse step leaves the others")},
        .backward = BackwardRule::kSameWork,
        .published = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  // In: fixed-point gradients, 8 bytes each. The values and their moments are read and written.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const std::string& kind = c.parameters.Text("kind");
    const int moments = kind == "sgd" ? 0 : kind == "rmsprop" ? 1 : 2;
    const Count values = c.rays * Count(c.parameters.Real("touched"));
    CorrectedFigures figures;
    WorkCount& work = figures.work;
    figures.input_a = c.rays;
    figures.input_w = figures.output = (1 + moments) * c.rays;
    const Count state = (1 + moments) * values;
    work.parameter_read_bytes = work.parameter_write_bytes = c.Bytes(state);
    work.integer_bytes = 8 * c.rays;
    work.footprint_bytes = c.Bytes(state) + 8 * c.rays;
    work.integer = c.rays;
    work.compare = c.rays;
    work.mul = (1 + 2 * moments) * values;
    work.fma = (1 + moments) * values;
    if (moments > 0) {
      work.special = values;
      work.add = values;
      work.mul += values;
    }
    figures.formulas = {{"update.rule",
                         "per value with a gradient: from fixed point 1 integer, 1 mul; per moment 2 mul, 1 "
                         "fma; with moments sqrt, + epsilon 1 add, 1 div; step 1 fma; the zero test 1 "
                         "compare for every value"}};
    return figures;
  }
};

}  // namespace dvren::analysis
