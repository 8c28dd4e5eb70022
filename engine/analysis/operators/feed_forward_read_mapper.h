// FRM (Instant3D): packs table reads into windows without bank conflicts.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class FeedForwardReadMapper : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "FeedForwardReadMapper",
        .op_type = "FRM",
        .category = Category::kOptimization,
        .parameters = {ActiveRatio(),
                       CorrectedOnly(PositiveInteger("requests", 128, "reads of a sample: corners x levels"))},
        .backward = BackwardRule::kSameWork};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    return FromCounts(3 * c.total_samples, 0, 3 * c.total_samples, 4 * c.total_samples);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count samples = ActiveSamples(c);
    const Count requests = samples * c.Integer("requests");
    CorrectedFigures figures = Streams(c, 3 * samples, 3 * samples);
    figures.work.integer = requests;
    figures.work.compare = requests;
    figures.formulas = {{"reads.map",
                         "per read: its bank 1 integer, whether the window has it already 1 compare; positions "
                         "pass through; what it saves shows as reuse of the lookup"}};
    return figures;
  }
};

}  // namespace dvren::analysis
