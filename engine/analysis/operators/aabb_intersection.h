// AABBIntersection: the tiles that each splat's axis-aligned square touches.
#pragma once

#include "analysis/operators/gaussian_tiles.h"

namespace dvren::analysis {

class AabbIntersection : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "AABBIntersectionOperator",
                                      .op_type = "AABBIntersection",
                                      .category = Category::kSampling,
                                      .dimensions = 1,
                                      .parameters = Joined({TileParameters(0.1), SplatParameters()}),
                                      .backward = BackwardRule::kUndefined,
                                      .takes_bitwidth = false};
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckTiles(info().op_type, c.parameters); }
  // Every Gaussian against every tile.
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count tiles = WholeTiles(c.parameters);
    const Count kept = Ceil(c.parameters.Real("tile_keep_ratio") * c.rays.real());
    return FromShapes({{c.rays, 5}, {tiles, 4}}, {tiles, kept}, 4 * c.rays * tiles);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count pairs =
        c.rays * Count(TilesOfSquare(c.parameters.Real("splat_px"), static_cast<double>(c.parameters.Integer("tile"))));
    CorrectedFigures figures = Streams(c, 4 * c.rays, 0);  // mean 2, depth, radius
    figures.output = pairs;
    figures.work.fma = 4 * c.rays;
    figures.work.integer = 5 * c.rays + 3 * pairs;
    figures.work.compare = 8 * c.rays;
    AddIndices(3 * pairs, figures.work);
    figures.formulas = {{"gaussian.tiles.square",
                         "per Gaussian: 4 bounds (4 fma, 4 floor, 8 clamping compares), 1 step of the prefix sum; per "
                         "(Gaussian, tile) pair a 64-bit key and a 32-bit index (3 integer, 12 bytes); expected pairs "
                         "(1 + splat_px/tile)^2 (Santaló 8.2)"}};
    return figures;
  }
};

}  // namespace dvren::analysis
