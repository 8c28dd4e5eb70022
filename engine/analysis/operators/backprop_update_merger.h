// BUM (Instant3D): merges table updates that hit the same entry within a window.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class BackpropUpdateMerger : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "BackpropUpdateMerger",
        .op_type = "BUM",
        .category = Category::kOptimization,
        .parameters = {ActiveRatio(),
                       CorrectedOnly(PositiveInteger("values", 32, "gradients of a sample: levels x features")),
                       CorrectedOnly(PositiveInteger("updates", 128, "updates of a sample: corners x levels")),
                       CorrectedOnly(PositiveInteger("window", 16, "entries of the match table"))},
        .backward = BackwardRule::kSameWork};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(3 * c.total_samples, 0, 3 * c.total_samples, 6 * c.total_samples);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    const Count updates = samples * c.Integer("updates");
    CorrectedFigures figures = Streams(c, c.Integer("values") * samples, c.Integer("values") * samples);
    figures.work.compare = updates * c.Integer("window");
    figures.work.integer = updates;
    figures.formulas = {{"updates.merge",
                         "per update: its address against each entry of the match table, 1 step of "
                         "replacement; gradients pass through; the additions and what they save show in "
                         "the scatter"}};
    return figures;
  }
};

}  // namespace dvren::analysis
