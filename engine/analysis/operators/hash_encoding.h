// HashEncoding: the three stages as one composite.
#pragma once

#include "analysis/operators/composite.h"
#include "analysis/operators/hash_lookup.h"
#include "analysis/operators/index_generation.h"
#include "analysis/operators/interpolation.h"

namespace dvren::analysis {

class HashEncoding : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = [] {
      OperatorInfo made{.class_name = "HashEncodingOperator",
                        .op_type = "HashEncoding",
                        .category = Category::kEncoding,
                        .metric = "FLOPs",
                        .parameters = HashGridParameters(),
                        .backward_ratio_low = 1,
                        .backward_ratio_high = 4};
      made.parameters.push_back(Fused(true));
      made.parameters.push_back(Reuse());
      made.parameters.push_back(PositionGradient());
      return made;
    }();
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckHashGrid(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count levels = c.Integer("num_levels");
    const Count features = c.Integer("features_per_level");
    ReferenceFigures figures =
        FromShapes({{c.rays, c.samples, c.Integer("input_dim")}}, {c.rays, c.samples, levels * features},
                   c.total_samples * levels * (56 + 16 * features));
    figures.backward_num_ops = figures.num_ops;
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    CorrectedFigures figures = SumOfParts(*this, c);
    const Count positions = c.Integer("input_dim") * ActiveSamples(c);
    const Count features = ActiveSamples(c) * c.Integer("num_levels") * c.Integer("features_per_level");
    const Count table = TableParameters(c.parameters);
    figures.input_w = table;
    if (!c.backward) {
      figures.input_a = positions;
      figures.output = features;
    } else {
      figures.input_a = positions + features;
      figures.output = table + (c.parameters.Bool("position_gradient") ? positions : Count(0));
    }
    return figures;
  }
  std::vector<Part> Parts(const OperatorCase& c, Mode mode) const override {
    OperatorRequest request = PartRequest(c, mode);
    for (const auto& [name, value] : c.parameters.values()) {
      if (mode == Mode::kCorrected ||
          (name != "fused" && name != "reuse" && name != "position_gradient" && name != "active_ratio")) {
        request.parameters[name] = value;
      }
    }
    OperatorRequest index = request, lookup = request, interpolation = request;
    index.parameters.erase("reuse");
    interpolation.parameters.erase("reuse");
    lookup.parameters.erase("position_gradient");
    std::vector<Part> parts = {{std::make_shared<IndexGeneration>(), index},
                               {std::make_shared<HashLookup>(), lookup},
                               {std::make_shared<Interpolation>(), interpolation}};
    // Backward runs the other way; the first stage there makes indices and weights anew.
    if (c.backward && mode == Mode::kCorrected) std::swap(parts.front(), parts.back());
    return parts;
  }
};

}  // namespace dvren::analysis
