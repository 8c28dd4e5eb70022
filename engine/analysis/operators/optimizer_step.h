// OptimizerStep: parameters from their gradients. `rays` of a request counts the parameters.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class OptimizerStep : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "OptimizerStepOperator",
                                      .op_type = "OptimizerStep",
                                      .category = Category::kOptimization,
                                      .metric = "FLOPs",
                                      .dimensions = 1,
                                      .parameters = {Choice("kind", "adam", {"adam", "sgd"}, "the rule")},
                                      .backward = BackwardRule::kSameWork,
                                      .published = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const bool adam = c.parameters.Text("kind") == "adam";
    const Count state = (adam ? 3 : 1) * c.rays;  // the parameter and its moments
    CorrectedFigures figures = Streams(c, c.rays, 0);
    figures.input_w = figures.output = state;
    figures.work.parameter_read_bytes = figures.work.parameter_write_bytes = c.Bytes(state);
    figures.work.footprint_bytes += c.Bytes(state);
    if (adam) {
      figures.work.mul = 4 * c.rays;
      figures.work.fma = 3 * c.rays;
      figures.work.add = c.rays;
      figures.work.special = c.rays;
      figures.formulas = {{"optimizer.adam",
                           "moments 3 mul, 2 fma; sqrt, + epsilon 1 add, 1 div, step 1 fma per parameter; "
                           "bias corrections are in the rate (Kingma and Ba 2015, section 2)"}};
    } else {
      figures.work.fma = c.rays;
      figures.formulas = {{"optimizer.sgd", "1 fma per parameter"}};
    }
    return figures;
  }
};

}  // namespace dvren::analysis
