// GSArch (He et al., HPCA 2025): splatting training with merged tiles, pruned and regrouped gradients.
#pragma once

#include "analysis/pipelines/splat_stages.h"

namespace dvren::analysis {

class Gsarch : public Pipeline {
 public:
  const PipelineInfo& info() const override {
    static const PipelineInfo info = [] {
      PipelineInfo made{.name = "gsarch",
                        .meaning = "splatting training: tiles merged, gradients pruned and grouped",
                        .training = true,
                        .parameters = SplatPipelineParameters()};
      made.parameters.push_back(Ratio("gradient_keep", 0.6,
                                      "share of the gradients that pruning leaves; default: the "
                                      "published tool's 0.4 pruned, whose source is not known"));
      return made;
    }();
    return info;
  }
  // A cycle: the merged tiles of backward feed the sorting of forward.
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override {
    GraphBuilder g(c);
    const int cull = g.Forward("FrustumCullProj", {c.rays * c.samples, 1});
    const int sort = g.Forward("Sorting", g.All());
    const int features = g.Forward("FeatureCompute", g.All());
    const int merge = g.Forward("TileMerging", g.All());
    const int blend = g.Forward("GaussianAlphaBlend", g.All());
    const int blend_back = g.Backward("GaussianAlphaBlend", g.All());
    const int gradients = g.Backward("GradientCompute", g.All());
    const int prune = g.Backward("GradientPruning", g.All());
    const int group = g.Backward("Rearrangement", g.All());
    const int merge_back = g.Backward("TileMerging", g.All());
    g.Chain({cull, sort, features, merge, blend, blend_back, gradients, prune, group, merge_back, sort});
    return g.Finish();
  }
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override {
    const SplatScene scene = SceneOf(c, /*use_obb=*/false);
    const GraphBuilder::Size lists = {c.rays, scene.list};
    const ParameterMap given = SplatList(c, false, {{"alpha_given", true}});
    GraphBuilder g(c);
    const SplatFront front = AddSplatFront(c, scene, false, g);
    const int merge = g.Forward("TileMerging", {scene.pairs, 1});
    g.Connect(front.cull, merge, scene.pairs);
    const int sort = AddPairSort(scene, merge, g);
    const int features = g.Forward("FeatureCompute", lists, SplatList(c, false));
    g.Connect(sort, features);
    g.Connect(front.cull, features, 5 * scene.visible);
    const int blend = g.Forward("GaussianAlphaBlend", lists, given);
    g.Connect(features, blend);
    g.Connect(sort, blend);
    g.Connect(front.color, blend);
    if (!c.backward) return g.Finish();

    const int loss = g.Backward("MseLoss", g.All());
    g.Connect(blend, loss, 3 * c.rays);
    g.External(loss, 3 * c.rays);
    const int blend_back = g.Backward("GaussianAlphaBlend", lists, given);
    g.Connect(loss, blend_back);
    g.Connect(blend, blend_back, c.rays);
    g.Connect(features, blend_back);
    g.Connect(sort, blend_back);
    g.Connect(front.color, blend_back);
    const int gradients = g.Backward("GradientCompute", lists, SplatList(c, false));
    g.Connect(blend_back, gradients, scene.active);
    g.Connect(features, gradients);
    g.Connect(front.cull, gradients, 5 * scene.visible);
    // Six gradients of a pair are two items of three.
    const double keep = c.parameters.Real("gradient_keep");
    const int prune = g.Backward("GradientPruning", {scene.pairs, 2}, {{"keep_ratio", keep}});
    g.Connect(gradients, prune);
    const Count kept = scene.pairs * Count(keep);
    const Count rows = Min(scene.visible, kept);
    const int group = g.Backward("Rearrangement", {kept, 2}, {{"group_ratio", (rows / kept).real()}});
    g.Connect(prune, group);
    AddSplatParameterSteps(c, scene, front, group, rows, blend_back, g);
    return g.Finish();
  }
};

}  // namespace dvren::analysis
