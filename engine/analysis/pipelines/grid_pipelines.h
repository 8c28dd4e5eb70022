// The daemon's own work on grid fields, dense and NanoVDB, operator by launch.
#pragma once

#include "analysis/operators/kernels/grid_field.h"
#include "analysis/pipelines/graph_builder.h"

namespace dvren::analysis {

// What of a training step a pipeline holds.
enum class GridWork { kRender, kBackward, kTrainStep };

class GridPipeline : public Pipeline {
 public:
  const PipelineInfo& info() const override { return info_; }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase&) const override {
    return absl::InternalError(info_.name + ": has no published graph");
  }
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const ParameterMap field = FieldOf(c);
    GraphBuilder g(c);
    const int fused = g.Forward("fused", g.All(), field, kBits);
    if (work_ == GridWork::kRender || !c.backward) return g.Finish();
    const int backward = g.Backward("backward", g.All(), field, kBits);
    if (work_ == GridWork::kBackward) {
      g.External(backward, 3 * c.rays);  // the client's image gradient
    } else {
      const int loss = g.Backward("loss", g.All(), {}, kBits);
      g.Connect(fused, loss, 3 * c.rays);
      g.External(loss, 3 * c.rays);
      g.Connect(loss, backward);
    }
    g.Connect(fused, backward);
    if (work_ == GridWork::kTrainStep) {
      const int update =
          g.Backward("update", {g.Output(backward), 1},
                     {{"kind", c.parameters.Text("optimizer")}, {"touched", TouchedShare(c, backward, g)}}, kBits);
      g.Connect(backward, update);
    }
    return g.Finish();
  }

 protected:
  GridPipeline(std::string name, std::string meaning, std::string field, GridWork work) : field_(field), work_(work) {
    info_.name = std::move(name);
    info_.meaning = std::move(meaning);
    info_.training = work != GridWork::kRender;
    info_.published = false;
    for (ParameterSpec spec : GridFieldParameters()) {
      spec.corrected_only = false;
      if (spec.name == "field") continue;
      if (field == "nanovdb" && spec.name == "channels") {
        spec.default_value = std::int64_t{1};
        spec.greatest = 1;
      }
      info_.parameters.push_back(std::move(spec));
    }
    if (work == GridWork::kTrainStep) {
      info_.parameters.push_back(Choice("optimizer", "adam", {"adam", "adamw", "rmsprop", "sgd"}, "the rule"));
      info_.parameters.push_back(Flag("sparse", false, "values without a gradient are left alone"));
    }
  }

 private:
  static constexpr int kBits = 32;

  ParameterMap FieldOf(const PipelineCase& c) const {
    ParameterMap field = {{"field", field_}};
    for (const ParameterSpec& spec : info_.parameters) {
      if (spec.name != "optimizer" && spec.name != "sparse") field[spec.name] = c.parameters.values().at(spec.name);
    }
    return field;
  }

  // At most the 8 corners of every active sample have a gradient.
  static double TouchedShare(const PipelineCase& c, int backward, const GraphBuilder& g) {
    if (!c.parameters.Bool("sparse")) return 1;
    const Count corners =
        8 * c.rays * c.samples * Count(c.parameters.Real("active_ratio")) * c.parameters.Integer("channels");
    return Min(1, corners / g.Output(backward)).real();
  }

  PipelineInfo info_;
  std::string field_;
  GridWork work_;
};

class DenseRender : public GridPipeline {
 public:
  DenseRender() : GridPipeline("dense_render", "a frame of a dense grid", "dense", GridWork::kRender) {}
};

class DenseBackward : public GridPipeline {
 public:
  DenseBackward()
      : GridPipeline("dense_backward", "a frame of a dense grid and its gradients", "dense", GridWork::kBackward) {}
};

class DenseTrain : public GridPipeline {
 public:
  DenseTrain() : GridPipeline("dense_train", "a training step of a dense grid", "dense", GridWork::kTrainStep) {}
};

class NanovdbRender : public GridPipeline {
 public:
  NanovdbRender() : GridPipeline("nanovdb_render", "a frame of a sparse volume", "nanovdb", GridWork::kRender) {}
};

class NanovdbBackward : public GridPipeline {
 public:
  NanovdbBackward()
      : GridPipeline("nanovdb_backward", "a frame of a sparse volume and its gradients", "nanovdb",
                     GridWork::kBackward) {}
};

}  // namespace dvren::analysis
