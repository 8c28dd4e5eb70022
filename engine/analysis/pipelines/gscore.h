// GSCore (Lee et al., ASPLOS 2024): oriented tile test, subtiles that a splat misses are skipped.
#pragma once

#include "analysis/operators/subtile_skip.h"
#include "analysis/pipelines/splat_stages.h"

namespace dvren::analysis {

class Gscore : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = {.name = "gscore",
                                      .meaning = "splatting inference with oriented tests and subtile skipping",
                                      .parameters = SplatPipelineParameters()};
    return info;
  }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const GraphBuilder::Size gaussians = {c.rays * c.samples, 1};
    const int cull = g.Forward("FrustumCullProj", gaussians);
    const int skip = g.Forward("SubtileSkip", gaussians);
    const int color = g.Forward("SphericalHarmonics", g.All());
    const int sort = g.Forward("Sorting", g.All());
    const int blend = g.Forward("GaussianAlphaBlend", g.All());
    for (const int stage : {skip, color, sort}) {
      g.Connect(cull, stage);
      g.Connect(stage, blend);
    }
    return g.Finish();
  }
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const SplatScene scene = SceneOf(c, /*use_obb=*/true);
    GraphBuilder g(c);
    const SplatFront front = AddSplatFront(c, scene, true, g);
    const int skip = g.Forward("SubtileSkip", {scene.visible, 1}, SplatShape(c));
    g.Connect(front.cull, skip, g.node(skip).input_a);
    const int sort = AddPairSort(scene, skip, g);
    ParameterMap list = SplatList(c, true);
    list["active_ratio"] = c.parameters.Real("active_ratio") *
                           SubtileSkip::KeptShare(c.parameters.Real("splat_px"), c.parameters.Real("splat_aspect"),
                                                  static_cast<double>(c.parameters.Integer("tile")));
    const int blend = g.Forward("GaussianAlphaBlend", {c.rays, scene.list}, std::move(list));
    g.Connect(sort, blend);
    g.Connect(front.cull, blend, 5 * scene.visible);
    g.Connect(front.color, blend);
    return g.Finish();
  }
};

}  // namespace dvren::analysis
