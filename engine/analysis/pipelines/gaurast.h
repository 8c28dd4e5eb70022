// GauRast (Li et al., DAC 2025): splatting on a triangle rasteriser.
#pragma once

#include "analysis/pipelines/splat_stages.h"

namespace dvren::analysis {

class Gaurast : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = {
        .name = "gaurast", .meaning = "splatting inference", .parameters = SplatPipelineParameters()};
    return info;
  }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const int cull = g.Forward("FrustumCullProj", {c.rays * c.samples, 1});
    const int color = g.Forward("SphericalHarmonics", g.All());
    const int sort = g.Forward("Sorting", g.All());
    const int blend = g.Forward("GaussianAlphaBlend", g.All());
    for (const int stage : {color, sort}) {
      g.Connect(cull, stage);
      g.Connect(stage, blend);
    }
    return g.Finish();
  }
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const SplatScene scene = SceneOf(c, /*use_obb=*/false);
    GraphBuilder g(c);
    const SplatFront front = AddSplatFront(c, scene, false, g);
    const int sort = AddPairSort(scene, front.cull, g);
    const int blend = g.Forward("GaussianAlphaBlend", {c.rays, scene.list}, SplatList(c, false));
    g.Connect(sort, blend);
    g.Connect(front.cull, blend, 5 * scene.visible);
    g.Connect(front.color, blend);
    return g.Finish();
  }
};

}  // namespace dvren::analysis
