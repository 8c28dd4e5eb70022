// SparseWarp (CICERO): pixels of a frame taken from the one before it; only the rest is rendered.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class SparseWarp : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {.class_name = "SparseWarpOperator",
                                      .op_type = "SparseWarp",
                                      .category = Category::kOptimization,
                                      .dimensions = 1,
                                      .parameters = {Ratio("render_ratio", 0.12, "share of the rays left to render")},
                                      .backward = BackwardRule::kUndefined,
                                      .published = false};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  // In: rays. Out: those left to render.
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Count left = c.rays * Count(c.parameters.Real("render_ratio"));
    CorrectedFigures figures = Streams(c, 6 * c.rays, 6 * left);
    const Count frame = 4 * c.rays;  // depth and colour of the frame before
    figures.work.stream_read_bytes += c.Bytes(frame);
    figures.work.scatter_bytes = c.Bytes(frame);
    figures.work.footprint_bytes += 2 * c.Bytes(frame);
    figures.work.fma = 12 * c.rays;
    figures.work.mul = 3 * c.rays;
    figures.work.compare = 3 * c.rays;
    figures.work.integer = 3 * c.rays;
    AddIndices(left, figures.work);
    figures.formulas = {{"warp.sparse",
                         "per pixel of the frame before: point from depth 3 fma, to the new camera 9 fma, "
                         "perspective 3 mul, inside 2 compare, nearer 1 compare, place 2 and compaction 1 "
                         "integer; depth and colour read and written; an index for each ray left"}};
    return figures;
  }
};

}  // namespace dvren::analysis
