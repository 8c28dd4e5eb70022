// Instant-3D (Li et al., ISCA 2023): hash-grid training with mapped reads and merged updates.
#pragma once

#include "analysis/pipelines/nerf_stages.h"

namespace dvren::analysis {

class Instant3d : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = {.name = "instant3d",
                                      .meaning = "hash-grid training: reads mapped to banks, updates merged",
                                      .training = true,
                                      .parameters = HashFieldParameters(3)};
    return info;
  }
  // A cycle: the merger feeds the encoding again. There is no backward of the encoding.
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All());
    const int map = g.Forward("FRM", g.All());
    const int hash = g.Forward("HashEncoding", g.All());
    const int mlp = g.Forward("MLP", g.All(), MlpOf(32, 3, 64, 4));
    const int color = g.Forward("RGBRenderer", g.All());
    const int color_back = g.Backward("RGBRenderer", g.All());
    const int mlp_back = g.Backward("MLP", g.All(), MlpOf(32, 3, 64, 4));
    const int merge = g.Backward("BUM", g.All());
    g.Chain({sample, map, hash, mlp, color, color_back, mlp_back, merge, hash});
    return g.Finish();
  }
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const Count samples = ActiveOf(c);
    const std::string ray = "ray";
    const Count corners_levels = 8 * Count(c.parameters.Integer("num_levels"));
    const std::int64_t requests = corners_levels.exact() ? corners_levels.integer() : 0;
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All(), Active(c));
    g.External(sample, 6 * c.rays);
    const int map = g.Forward("FRM", g.All(), Active(c, {{"requests", requests}}));
    g.Connect(sample, map, 3 * samples);
    const int hash = g.Forward("HashEncoding", g.All(), HashGridOf(c, {{"reuse", ray}}));
    g.Connect(map, hash);
    const int mlp = g.Forward("MLP", g.All(), HashMlpOf(c, {{"save_activations", c.backward}}));
    g.Connect(hash, mlp);
    const int color = g.Forward("RGBRenderer", g.All(), Active(c));
    g.Connect(mlp, color, 4 * samples);
    g.Connect(sample, color, samples);
    if (!c.backward) return g.Finish();

    const int loss = g.Backward("MseLoss", g.All());
    g.Connect(color, loss, 3 * c.rays);
    g.External(loss, 3 * c.rays);
    const int color_back = g.Backward("RGBRenderer", g.All(), Active(c));
    g.Connect(loss, color_back);
    g.Connect(color, color_back, c.rays);
    g.Connect(mlp, color_back, 4 * samples);
    g.Connect(sample, color_back, samples);
    const int mlp_back = g.Backward("MLP", g.All(), HashMlpOf(c));
    g.Connect(color_back, mlp_back);
    g.Connect(hash, mlp_back);
    g.Connect(mlp, mlp_back, g.Output(mlp) - 4 * samples);
    const Count features = g.Output(hash);
    const std::int64_t values = requests / 8 * c.parameters.Integer("features_per_level");
    const int merge = g.Backward("BUM", g.All(), Active(c, {{"values", values}, {"updates", requests}}));
    g.Connect(mlp_back, merge, features);
    const int hash_back = g.Backward("HashEncoding", g.All(), HashGridOf(c, {{"reuse", ray}}));
    g.Connect(merge, hash_back);
    g.Connect(map, hash_back);
    const int table_step = g.Backward("OptimizerStep", {g.Weights(hash), 1});
    g.Connect(hash_back, table_step);
    const int mlp_step = g.Backward("OptimizerStep", {g.Weights(mlp), 1});
    g.Connect(mlp_back, mlp_step, g.Weights(mlp));
    return g.Finish();
  }
};

}  // namespace dvren::analysis
