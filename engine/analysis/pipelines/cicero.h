// CICERO (Feng et al., ISCA 2024): sorted points, and most pixels warped from the frame before.
#pragma once

#include "analysis/pipelines/nerf_stages.h"

namespace dvren::analysis {

class Cicero : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = [] {
      PipelineInfo made{.name = "cicero",
                        .meaning = "hash-grid inference with sparse warping and sorted points",
                        .parameters = HashFieldParameters(4)};
      made.parameters.push_back(Ratio("render_ratio", 0.12,
                                      "share of the rays that warping leaves to render; default: the "
                                      "published 88 % of network work removed"));
      return made;
    }();
    return info;
  }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All(), {}, 4);
    const int arrange = g.Forward("PointArrange", g.All(), {}, 16);
    const int hash = g.Forward("HashEncoding", g.All(), {}, 4);
    const int mlp = g.Forward("MLP", g.All(), MlpOf(32, 4, 64), 4);
    const int color = g.Forward("RGBRenderer", g.All(), {}, 4);
    g.Chain({sample, arrange, hash, mlp, color});
    return g.Finish();
  }
  // The published graph has no warping, which is the point of CICERO, and the widths of another accelerator.
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const double ratio = c.parameters.Real("render_ratio");
    const Count samples = ActiveOf(c) * Count(ratio);
    GraphBuilder g(c);
    const GraphBuilder::Size left = {c.rays * Count(ratio), c.samples};
    const int warp = g.Forward("SparseWarp", g.All(), {{"render_ratio", ratio}});
    g.External(warp, 6 * c.rays);
    const int sample = g.Forward("UniformSampler", left, Active(c));
    g.Connect(warp, sample);
    const int arrange = g.Forward("PointArrange", left, HashGridOf(c));
    g.Connect(sample, arrange, 3 * samples);
    const int hash = g.Forward("HashEncoding", left, HashGridOf(c, {{"reuse", std::string("ordered")}}));
    g.Connect(arrange, hash);
    const int mlp = g.Forward("MLP", left, HashMlpOf(c));
    g.Connect(hash, mlp);
    const int color = g.Forward("RGBRenderer", left, Active(c));
    g.Connect(mlp, color);
    g.Connect(sample, color, samples);
    return g.Finish();
  }
};

}  // namespace dvren::analysis
