// OBBIntersection: the tiles that each splat's oriented rectangle touches.
#pragma once

#include "analysis/operators/gaussian_tiles.h"

namespace dvren::analysis {

class ObbIntersection : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "OBBIntersectionOperator",
                                      .op_type = "OBBIntersection",
                                      .category = Category::kSampling,
                                      .dimensions = 1,
                                      .parameters = Joined({TileParameters(0.05), SplatParameters()}),
                                      .backward = BackwardRule::kUndefined,
                                      .takes_bitwidth = false};
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckTiles(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count tiles = WholeTiles(c.parameters);
    const Count kept = Ceil(c.parameters.Real("tile_keep_ratio") * c.rays.real());
    return FromShapes({{c.rays, 5}, {tiles, 4}}, {tiles, kept}, 10 * c.rays * tiles);
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const double splat = c.parameters.Real("splat_px");
    const double tile = static_cast<double>(c.parameters.Integer("tile"));
    const Count candidates = c.rays * Count(TilesOfSquare(splat, tile));
    const Count pairs = c.rays * Count(TilesOfRectangle(splat, c.parameters.Real("splat_aspect"), tile));
    CorrectedFigures figures = Streams(c, 7 * c.rays, 0);  // the conic gives the axes
    figures.output = pairs;
    figures.work.fma = 4 * c.rays + 4 * candidates;
    figures.work.mul = 4 * c.rays;
    figures.work.add = 2 * c.rays + 2 * candidates;
    figures.work.special = 2 * c.rays;
    figures.work.integer = 5 * c.rays + 3 * pairs;
    figures.work.compare = 8 * c.rays + 4 * candidates;
    AddIndices(3 * pairs, figures.work);
    figures.formulas = {{"gaussian.tiles.oriented",
                         "as gaussian.tiles.square for the candidates; axes of the ellipse 4 mul, 2 add, 2 sqrt; "
                         "separating axis test of each candidate 4 fma, 2 add, 4 compare; expected pairs 1 + "
                         "4(d + a·d)/(pi·tile) + a·d^2/tile^2 (Santaló 8.2, mean width = perimeter/pi)"}};
    return figures;
  }
};

}  // namespace dvren::analysis
