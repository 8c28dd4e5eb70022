// ICARUS (Rao et al., SIGGRAPH Asia 2022): positional encoding, one large MLP, volume rendering.
#pragma once

#include "analysis/pipelines/nerf_stages.h"

namespace dvren::analysis {

class Icarus : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = {
        .name = "icarus",
        .meaning = "NeRF inference: random Fourier features, MLP 8 x 256",
        .parameters = {ActiveShare(), PositiveInteger("num_features", 128, "random directions of the encoding"),
                       PositiveInteger("mlp_layers", 8, "layers of the network"),
                       PositiveInteger("mlp_width", 256, "width of its hidden layers")}};
    return info;
  }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    if (!(c.samples == 192)) {
      return InvalidField("icarus.samples", c.samples.ToString(),
                          "the published pipeline insists on 192 per ray; use corrected mode for others");
    }
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All());
    const int encode = g.Forward("RFFEncoding", g.All(), {{"num_features", std::int64_t{128}}});
    const int mlp = g.Forward("MLP", g.All(), MlpOf(256, 8, 256));
    const int render = g.Forward("RGBRenderer", g.All());
    g.Chain({sample, encode, mlp, render});
    return g.Finish();
  }
  // The network ends in colour and density; the published one hands 256 features to the renderer.
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const Count samples = ActiveOf(c);
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All(), Active(c));
    g.External(sample, 6 * c.rays);
    const std::int64_t features = c.parameters.Integer("num_features");
    const int encode = g.Forward("RFFEncoding", g.All(), Active(c, {{"num_features", features}}));
    g.Connect(sample, encode, 3 * samples);
    const Count width = 2 * Count(features);
    const int mlp = g.Forward("MLP", g.All(),
                              Active(c, MlpOf(width.exact() ? width.integer() : 0, c.parameters.Integer("mlp_layers"),
                                              c.parameters.Integer("mlp_width"), 4)));
    g.Connect(encode, mlp);
    const int render = g.Forward("RGBRenderer", g.All(), Active(c));
    g.Connect(mlp, render);
    g.Connect(sample, render, samples);
    return g.Finish();
  }
};

}  // namespace dvren::analysis
