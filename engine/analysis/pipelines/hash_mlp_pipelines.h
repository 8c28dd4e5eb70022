// Work on a hash-grid field with a small network (tiny-cuda-nn's model). The daemon has no such field yet; the
// operators bear their taxonomy's names.
#pragma once

#include "analysis/pipelines/nerf_stages.h"

namespace dvren::analysis {

enum class HashMlpWork { kRender, kBackward, kTrainStep };

class HashMlpPipeline : public Pipeline {
 public:
  const PipelineInfo& info() const override { return info_; }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase&) const override {
    return absl::InternalError(info_.name + ": has no published graph");
  }
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const Count samples = ActiveOf(c);
    const bool backward = work_ != HashMlpWork::kRender && c.backward;
    GraphBuilder g(c);
    const int sample = g.Forward("UniformSampler", g.All(), Active(c));
    g.External(sample, 6 * c.rays);
    const int hash = g.Forward("HashEncoding", g.All(), HashGridOf(c));
    g.Connect(sample, hash, 3 * samples);
    const int mlp = g.Forward("MLP", g.All(), HashMlpOf(c, {{"save_activations", backward}}));
    g.Connect(hash, mlp);
    const int color = g.Forward("RGBRenderer", g.All(), Active(c));
    g.Connect(mlp, color, 4 * samples);
    g.Connect(sample, color, samples);
    if (!backward) return g.Finish();

    const int color_back = g.Backward("RGBRenderer", g.All(), Active(c));
    if (work_ == HashMlpWork::kBackward) {
      g.External(color_back, 3 * c.rays);  // the client's image gradient
    } else {
      const int loss = g.Backward("MseLoss", g.All());
      g.Connect(color, loss, 3 * c.rays);
      g.External(loss, 3 * c.rays);
      g.Connect(loss, color_back);
    }
    g.Connect(color, color_back, c.rays);
    g.Connect(mlp, color_back, 4 * samples);
    g.Connect(sample, color_back, samples);
    const int mlp_back = g.Backward("MLP", g.All(), HashMlpOf(c));
    g.Connect(color_back, mlp_back);
    g.Connect(hash, mlp_back);
    g.Connect(mlp, mlp_back, g.Output(mlp) - 4 * samples);
    const int hash_back = g.Backward("HashEncoding", g.All(), HashGridOf(c));
    g.Connect(mlp_back, hash_back, g.Output(hash));
    g.Connect(sample, hash_back, 3 * samples);
    if (work_ == HashMlpWork::kBackward) return g.Finish();
    const int table_step = g.Backward("OptimizerStep", {g.Weights(hash), 1});
    g.Connect(hash_back, table_step);
    const int mlp_step = g.Backward("OptimizerStep", {g.Weights(mlp), 1});
    g.Connect(mlp_back, mlp_step, g.Weights(mlp));
    return g.Finish();
  }

 protected:
  HashMlpPipeline(std::string name, std::string meaning, HashMlpWork work) : work_(work) {
    info_.name = std::move(name);
    info_.meaning = std::move(meaning);
    info_.training = work != HashMlpWork::kRender;
    info_.published = false;
    info_.parameters = HashFieldParameters(3);
  }

 private:
  PipelineInfo info_;
  HashMlpWork work_;
};

class HashMlpRender : public HashMlpPipeline {
 public:
  HashMlpRender() : HashMlpPipeline("hash_mlp_render", "a frame of a hash-grid field", HashMlpWork::kRender) {}
};

class HashMlpBackward : public HashMlpPipeline {
 public:
  HashMlpBackward()
      : HashMlpPipeline("hash_mlp_backward", "a frame of a hash-grid field and its gradients", HashMlpWork::kBackward) {
  }
};

class HashMlpTrain : public HashMlpPipeline {
 public:
  HashMlpTrain() : HashMlpPipeline("hash_mlp_train", "a training step of a hash-grid field", HashMlpWork::kTrainStep) {}
};

}  // namespace dvren::analysis
