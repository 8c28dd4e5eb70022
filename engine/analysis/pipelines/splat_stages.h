// Sizes and stages of Gaussian splatting that several pipelines share.
#pragma once

#include "analysis/operators/gaussian_tiles.h"
#include "analysis/pipelines/nerf_stages.h"

namespace dvren::analysis {

[[nodiscard]] inline std::vector<ParameterSpec> SplatPipelineParameters() {
  return {ActiveShare(),
          Ratio("cull_ratio", 0.5, "share of the Gaussians that are visible"),
          PositiveReal("splat_px", 16, "diameter of a splat at 3 sigma along its major axis, in pixels"),
          Ratio("splat_aspect", 0.5, "minor over major diameter of a splat"),
          PositiveInteger("tile", 16, "edge of a tile in pixels"),
          IntegerFrom("sh_degree", 4, 0, "degree of the colours' spherical harmonics"),
          Optional(PositiveInteger("gaussians", 1,
                                   "Gaussians of the scene; they then give the length of the lists, and "
                                   "samples is not read"))};
}

// rays are pixels and samples the length of a pixel's list: from them, or from the scene's Gaussians, all other sizes.
struct SplatScene {
  Count list;       // (Gaussian, pixel) per pixel
  Count pairs;      // (Gaussian, tile)
  Count visible;    // Gaussians
  Count gaussians;  // in the scene
  Count active;     // (Gaussian, pixel) that contribute
};

[[nodiscard]] inline SplatScene SceneOf(const PipelineCase& c, bool use_obb) {
  const Parameters& p = c.parameters;
  const double tile = static_cast<double>(p.Integer("tile"));
  const Count tiles = use_obb ? TilesOfRectangle(p.Real("splat_px"), p.Real("splat_aspect"), tile)
                              : TilesOfSquare(p.Real("splat_px"), tile);
  const Count tile_pixels = Count(p.Integer("tile")) * p.Integer("tile");
  const Count cull = p.Real("cull_ratio");
  SplatScene scene;
  if (p.IsSet("gaussians")) {
    scene.gaussians = p.Integer("gaussians");
    scene.list = scene.gaussians * cull * tiles * tile_pixels / c.rays;
  } else {
    scene.list = c.samples;
    scene.gaussians = c.rays * c.samples / tile_pixels / tiles / cull;
  }
  scene.visible = scene.gaussians * cull;
  scene.pairs = scene.visible * tiles;
  scene.active = c.rays * scene.list * Count(p.Real("active_ratio"));
  return scene;
}

// Shape of splats, for operators on Gaussians.
[[nodiscard]] inline ParameterMap SplatShape(const PipelineCase& c, ParameterMap more = {}) {
  for (const char* name : {"splat_px", "splat_aspect", "tile"}) more[name] = c.parameters.values().at(name);
  return more;
}

// For operators on lists.
[[nodiscard]] inline ParameterMap SplatList(const PipelineCase& c, bool use_obb, ParameterMap more = {}) {
  more["use_obb"] = use_obb;
  return Active(c, SplatShape(c, std::move(more)));
}

// The stages before blending: one per graph.
struct SplatFront {
  int cull = 0;
  int color = 0;
};

[[nodiscard]] inline SplatFront AddSplatFront(const PipelineCase& c, const SplatScene& scene, bool use_obb,
                                              GraphBuilder& g) {
  SplatFront front;
  front.cull = g.Forward("FrustumCullProj", {scene.gaussians, 1},
                         SplatShape(c, {{"cull_ratio", c.parameters.Real("cull_ratio")}, {"use_obb", use_obb}}));
  g.External(front.cull, 3 * scene.gaussians);
  front.color = g.Forward("SphericalHarmonics", {scene.visible, 1}, {{"degree", c.parameters.Integer("sh_degree")}});
  g.Connect(front.cull, front.color, 3 * scene.visible);
  return front;
}

// Keys of the pairs: 32 bits of depth and the index of one of 2^12 tiles.
[[nodiscard]] inline int AddPairSort(const SplatScene& scene, int from, GraphBuilder& g) {
  const int sort =
      g.Forward("Sorting", {scene.pairs, 1}, {{"key_bits", std::int64_t{44}}, {"payload", std::int64_t{0}}});
  g.Connect(from, sort, scene.pairs);
  return sort;
}

// Gradients of projected values to parameters, and the step. `shapes`: node that makes 6 gradients of `rows` Gaussians;
// `colors`: node that makes 3 of each visible one.
inline void AddSplatParameterSteps(const PipelineCase& c, const SplatScene& scene, const SplatFront& front, int shapes,
                                   const Count& rows, int colors, GraphBuilder& g) {
  const int project = g.Backward("Projection", {rows, 1});
  g.Connect(shapes, project, 5 * rows);
  const int harmonics =
      g.Backward("SphericalHarmonics", {scene.visible, 1}, {{"degree", c.parameters.Integer("sh_degree")}});
  g.Connect(colors, harmonics, 3 * scene.visible);
  g.Connect(front.cull, harmonics, 3 * scene.visible);
  const Count gradients = g.Output(project) + rows + g.Output(harmonics);
  const int step = g.Backward("OptimizerStep", {gradients, 1});
  g.Connect(project, step);
  g.Connect(shapes, step, rows);
  g.Connect(harmonics, step);
}

}  // namespace dvren::analysis
