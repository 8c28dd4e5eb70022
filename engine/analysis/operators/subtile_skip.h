// SubtileSkip (GSCore): which quarters of a tile a splat touches at all.
#pragma once

#include "analysis/operators/gaussian_tiles.h"

namespace dvren::analysis {

class SubtileSkip : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "SubtileSkippingOperator",
                                      .op_type = "SubtileSkip",
                                      .category = Category::kOptimization,
                                      .dimensions = 1,
                                      .parameters = Joined({TileParameters(0.1), SplatParameters()}),
                                      .backward = BackwardRule::kUndefined,
                                      .takes_backward = false};
    return info;
  }
  absl::Status CheckCase(const OperatorCase& c) const override { return CheckTiles(info().op_type, c.parameters); }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Count tiles = WholeTiles(c.parameters);
    const Count kept = Ceil(c.parameters.Real("tile_keep_ratio") * c.rays.real());
    return FromShapes({{c.rays, 4}, {tiles, 4}}, {tiles, kept}, 4 * c.rays * tiles);
  }
  // rays: visible Gaussians. Every pair of an oriented tile test against 4 subtiles of half the edge.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count pairs =
        c.rays * Count(TilesOfRectangle(c.parameters.Real("splat_px"), c.parameters.Real("splat_aspect"),
                                        static_cast<double>(c.parameters.Integer("tile"))));
    CorrectedFigures figures;
    figures.input_a = pairs + 5 * c.rays;
    figures.output = pairs;
    figures.work.gather_bytes = c.Bytes(5 * pairs);
    figures.work.footprint_bytes = c.Bytes(5 * c.rays);
    figures.work.fma = 16 * pairs;
    figures.work.add = 8 * pairs;
    figures.work.compare = 16 * pairs;
    figures.work.integer = 4 * pairs;
    AddIndices(2 * pairs, figures.work);
    figures.formulas = {{"gaussian.subtiles",
                         "per (Gaussian, tile) pair 4 separating axis tests of 4 fma, 2 add, 4 compare; "
                         "a bit each; the pair's index read, index and bitmap written"}};
    return figures;
  }
  // Share of a pair's pixels that lie in subtiles the splat touches: what blending has left to do.
  [[nodiscard]] static double KeptShare(double splat_px, double aspect, double tile_px) {
    return TilesOfRectangle(splat_px, aspect, tile_px / 2) / 4 / TilesOfRectangle(splat_px, aspect, tile_px);
  }
};

}  // namespace dvren::analysis
