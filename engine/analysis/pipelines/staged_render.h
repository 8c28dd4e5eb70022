// The staged reference of the dense render: samples are stored between the launches.
#pragma once

#include "analysis/operators/kernels/grid_field.h"
#include "analysis/pipelines/graph_builder.h"

namespace dvren::analysis {

class StagedRender : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = [] {
      PipelineInfo made{.name = "dense_staged_render", .meaning = "a frame of a dense grid, stage by stage"};
      made.published = false;
      for (ParameterSpec spec : GridFieldParameters()) {
        spec.corrected_only = false;
        if (spec.name != "field") made.parameters.push_back(std::move(spec));
      }
      return made;
    }();
    return info;
  }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase&) const override {
    return absl::InternalError("dense_staged_render: has no published graph");
  }
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const int ray = g.Forward("ray", g.All(), {}, 32);
    const int sample = g.Forward("sample", g.All(), c.parameters.values(), 32);
    const int integrate = g.Forward("integrate", g.All(), {{"active_ratio", c.parameters.Real("active_ratio")}}, 32);
    const int compose = g.Forward("compose", g.All(), {}, 32);
    g.Chain({ray, sample, integrate, compose});
    return g.Finish();
  }
};

}  // namespace dvren::analysis
