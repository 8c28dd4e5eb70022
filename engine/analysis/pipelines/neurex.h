// NeuRex (Lee et al., ISCA 2023): hash encoding and a small MLP.
#pragma once

#include "analysis/pipelines/nerf_stages.h"

namespace dvren::analysis {

class Neurex : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = {
        .name = "neurex", .meaning = "hash-grid inference: colour and depth", .parameters = HashFieldParameters(4)};
    return info;
  }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All());
    const int hash = g.Forward("HashEncoding", g.All());
    const int mlp = g.Forward("MLP", g.All(), MlpOf(32, 4, 64));
    const int color = g.Forward("RGBRenderer", g.All());
    const int depth = g.Forward("DensityRenderer", g.All(), {{"method", std::string("expected")}});
    g.Chain({sample, hash, mlp, color});
    g.Connect(mlp, depth);
    return g.Finish();
  }
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const Count samples = ActiveOf(c);
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All(), Active(c));
    g.External(sample, 6 * c.rays);
    const int hash = g.Forward("HashEncoding", g.All(), HashGridOf(c));
    g.Connect(sample, hash, 3 * samples);
    const int mlp = g.Forward("MLP", g.All(), HashMlpOf(c));
    g.Connect(hash, mlp);
    const int color = g.Forward("RGBRenderer", g.All(), Active(c));
    g.Connect(mlp, color);
    g.Connect(sample, color, samples);
    const int depth = g.Forward("DensityRenderer", g.All(), Active(c, {{"method", std::string("expected")}}));
    g.Connect(mlp, depth, samples);
    g.Connect(sample, depth, samples);
    return g.Finish();
  }
};

}  // namespace dvren::analysis
