// SRender (Song et al., MICRO 2024): a coarse pass at low precision, a precise one where it matters.
#pragma once

#include "analysis/pipelines/nerf_stages.h"

namespace dvren::analysis {

class Srender : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = [] {
      PipelineInfo made{.name = "srender",
                        .meaning = "hash-grid inference: low precision everywhere, high where sensitive",
                        .parameters = HashFieldParameters(4)};
      made.parameters.push_back(PositiveInteger("low_bits", 4, "width of values in the coarse pass"));
      made.parameters.push_back(Ratio("fine_prop", 0.4, "share of the samples in the precise pass"));
      return made;
    }();
    return info;
  }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All(), {}, 4);
    const int hash = g.Forward("HashEncoding", g.All(), {}, 4);
    const int mlp = g.Forward("MLP", g.All(), MlpOf(32, 4, 64), 4);
    const int color = g.Forward("RGBRenderer", g.All(), {}, 4);
    const int predict = g.Forward("SensitivityPrediction", g.All());
    const int arrange = g.Forward("PointArrange", g.All());
    const int fine_hash = g.Forward("HashEncoding", g.All());
    const int fine_mlp = g.Forward("MLP", g.All(), MlpOf(32, 4, 64));
    const int fine_color = g.Forward("RGBRenderer", g.All());
    const int recover = g.Forward("Recovery", g.All());
    g.Chain({sample, hash, mlp, color, predict});
    g.Connect(color, recover);
    g.Chain({predict, arrange, fine_hash, fine_mlp, fine_color, recover});
    return g.Finish();
  }
  // The precise pass runs on the sensitive samples alone, and recovery comes before the final compositing.
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const double share = c.parameters.Real("fine_prop");
    const Count samples = ActiveOf(c);
    const int low = static_cast<int>(std::min<std::int64_t>(c.parameters.Integer("low_bits"), 65));
    GraphBuilder g(c);
    const GraphBuilder::Size fine = {c.rays, c.samples * Count(share)};
    const int sample = g.Forward("UniformSampler", g.All(), Active(c));
    g.External(sample, 6 * c.rays);
    const int hash = g.Forward("HashEncoding", g.All(), HashGridOf(c), low);
    g.Connect(sample, hash, 3 * samples);
    const int mlp = g.Forward("MLP", g.All(), HashMlpOf(c), low);
    g.Connect(hash, mlp);
    const int color = g.Forward("RGBRenderer", g.All(), Active(c), low);
    g.Connect(mlp, color);
    g.Connect(sample, color, samples);
    const int predict = g.Forward("SensitivityPrediction", g.All(), Active(c, {{"fine_prop", share}}));
    g.Connect(color, predict, 3 * c.rays);
    g.Connect(mlp, predict, samples);
    g.Connect(sample, predict, 3 * samples);
    const int arrange = g.Forward("PointArrange", fine, HashGridOf(c));
    g.Connect(predict, arrange);
    const int fine_hash = g.Forward("HashEncoding", fine, HashGridOf(c, {{"reuse", std::string("ordered")}}));
    g.Connect(arrange, fine_hash);
    const int fine_mlp = g.Forward("MLP", fine, HashMlpOf(c));
    g.Connect(fine_hash, fine_mlp);
    const int recover = g.Forward("Recovery", g.All(), Active(c, {{"fine_prop", share}}));
    g.Connect(mlp, recover);
    g.Connect(fine_mlp, recover);
    const int fine_color = g.Forward("RGBRenderer", g.All(), Active(c));
    g.Connect(recover, fine_color);
    g.Connect(sample, fine_color, samples);
    return g.Finish();
  }
};

}  // namespace dvren::analysis
