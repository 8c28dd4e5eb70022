// GBU (Ye et al., HPCA 2025): splatting by rows of decorrelated Gaussians.
#pragma once

#include "analysis/pipelines/splat_stages.h"

namespace dvren::analysis {

class Gbu : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = {.name = "gbu",
                                      .meaning = "splatting by rows: terms shared along a row of pixels",
                                      .training = true,
                                      .parameters = SplatPipelineParameters()};
    return info;
  }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const int cull = g.Forward("FrustumCullProj", {c.rays * c.samples, 1});
    const int rows = g.Forward("RowProcessing", g.All());
    const int generate = g.Forward("RowGeneration", g.All());
    const int decompose = g.Forward("DecompBinning", g.All());
    const int sort = g.Forward("Sorting", g.All());
    const int blend = g.Forward("GaussianAlphaBlend", g.All());
    const int blend_back = g.Backward("GaussianAlphaBlend", g.All());
    const int sort_back = g.Backward("Sorting", g.All());
    const int decompose_back = g.Backward("DecompBinning", g.All());
    const int generate_back = g.Backward("RowGeneration", g.All());
    const int rows_back = g.Backward("RowProcessing", g.All());
    g.Chain({cull, rows, generate, decompose, sort, blend, blend_back, sort_back, decompose_back, generate_back,
             rows_back});
    return g.Finish();
  }
  // Decomposition comes before rows and rows before blending. The gradient of where a row begins is part of the row's.
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const SplatScene scene = SceneOf(c, /*use_obb=*/false);
    const GraphBuilder::Size lists = {c.rays, scene.list};
    const ParameterMap splats = SplatList(c, false), given = SplatList(c, false, {{"alpha_given", true}});
    GraphBuilder g(c);
    const SplatFront front = AddSplatFront(c, scene, false, g);
    const int sort = AddPairSort(scene, front.cull, g);
    const int decompose = g.Forward("DecompBinning", lists, splats);
    g.Connect(sort, decompose);
    g.Connect(front.cull, decompose, 5 * scene.visible);
    const int generate = g.Forward("RowGeneration", lists, splats);
    g.Connect(decompose, generate);
    const int rows = g.Forward("RowProcessing", lists, splats);
    g.Connect(generate, rows);
    const int blend = g.Forward("GaussianAlphaBlend", lists, given);
    g.Connect(rows, blend);
    g.Connect(sort, blend);
    g.Connect(front.color, blend);
    if (!c.backward) return g.Finish();

    const int loss = g.Backward("MseLoss", g.All());
    g.Connect(blend, loss, 3 * c.rays);
    g.External(loss, 3 * c.rays);
    const int blend_back = g.Backward("GaussianAlphaBlend", lists, given);
    g.Connect(loss, blend_back);
    g.Connect(blend, blend_back, c.rays);
    g.Connect(rows, blend_back);
    g.Connect(sort, blend_back);
    g.Connect(front.color, blend_back);
    const int rows_back = g.Backward("RowProcessing", lists, splats);
    g.Connect(blend_back, rows_back, scene.active);
    g.Connect(rows, rows_back);
    g.Connect(generate, rows_back);
    const int decompose_back = g.Backward("DecompBinning", lists, splats);
    g.Connect(rows_back, decompose_back);
    AddSplatParameterSteps(c, scene, front, decompose_back, scene.visible, blend_back, g);
    return g.Finish();
  }
};

}  // namespace dvren::analysis
