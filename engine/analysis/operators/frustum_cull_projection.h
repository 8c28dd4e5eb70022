// FrustumCullProj: culling, projection and the tile test as one composite.
#pragma once

#include "analysis/operators/aabb_intersection.h"
#include "analysis/operators/composite.h"
#include "analysis/operators/frustum_culling.h"
#include "analysis/operators/obb_intersection.h"
#include "analysis/operators/projection.h"

namespace dvren::analysis {

class FrustumCullProjection : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "FrustumCullingProjectionOperator",
        .op_type = "FrustumCullProj",
        .category = Category::kSampling,
        .dimensions = 1,
        .parameters =
            Joined({{Ratio("cull_ratio", 0.5, "share of the Gaussians that are kept")},
                    TileParameters(0.1),
                    {Flag("use_obb", false, "test oriented rectangles; the reference always runs both tests")},
                    SplatParameters()}),
        .backward_ratio_high = 2};
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckTiles(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count kept = Ceil(c.parameters.Real("cull_ratio") * c.rays.real());
    const Count tiles = WholeTiles(c.parameters);
    const Count per_tile = Ceil(c.parameters.Real("tile_keep_ratio") * kept.real());
    ReferenceFigures figures =
        FromShapes({{c.rays, 3}, {4, 4}}, {tiles, per_tile}, 17 * c.rays + 72 * kept + 14 * kept * tiles);
    figures.input_a = 3 * c.rays + 19 * kept;
    figures.input_w = 32 + 8 * tiles;
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    CorrectedFigures figures = SumOfParts(*this, c);
    const Count kept = Kept(c);
    if (c.backward) {
      figures.input_a = 5 * kept;
      figures.input_w = figures.output = Projection::kParametersIn * kept;
      return figures;
    }
    const double splat = c.parameters.Real("splat_px");
    const double tile = static_cast<double>(c.parameters.Integer("tile"));
    const double tiles = c.parameters.Bool("use_obb") ? TilesOfRectangle(splat, c.parameters.Real("splat_aspect"), tile)
                                                      : TilesOfSquare(splat, tile);
    figures.input_a = 3 * c.rays;
    figures.input_w = 12 + Projection::kParametersIn * kept;
    figures.output = Projection::kValuesOut * kept + kept * Count(tiles);
    return figures;
  }
  // Reference: all four, with the tile parameters of the composite and 16 bits whatever its own width.
  // Corrected: one tile test; backward is that of the projection, for the other results are discrete.
  std::vector<Part> Parts(const OperatorCase& c, Mode mode) const override {
    const bool reference = mode == Mode::kReference;
    const Count kept = reference ? Ceil(c.parameters.Real("cull_ratio") * c.rays.real()) : Kept(c);
    const ParameterMap& values = c.parameters.values();
    OperatorRequest cull = PartRequest(c, mode), project = cull, tiles = cull;
    project.rays = tiles.rays = kept;
    if (!reference && c.backward) return {{std::make_shared<Projection>(), project}};
    cull.parameters = {{"cull_ratio", values.at("cull_ratio")}};
    for (const char* name : {"image_wh", "tile", "tile_keep_ratio"}) tiles.parameters[name] = values.at(name);
    if (reference) {
      return {{std::make_shared<FrustumCulling>(), cull},
              {std::make_shared<Projection>(), project},
              {std::make_shared<AabbIntersection>(), tiles},
              {std::make_shared<ObbIntersection>(), tiles}};
    }
    for (const char* name : {"splat_px", "splat_aspect"}) tiles.parameters[name] = values.at(name);
    std::shared_ptr<const Operator> test = std::make_shared<AabbIntersection>();
    if (c.parameters.Bool("use_obb")) test = std::make_shared<ObbIntersection>();
    return {{std::make_shared<FrustumCulling>(), cull}, {std::make_shared<Projection>(), project}, {test, tiles}};
  }

 private:
  static Count Kept(const OperatorCase& c) { return c.rays * Count(c.parameters.Real("cull_ratio")); }
};

}  // namespace dvren::analysis
