// GaussianAlphaBlend: front-to-back blending of sorted splats.
#pragma once

#include "analysis/operators/splat_features.h"
#include "analysis/operators/volume_compositing.h"

namespace dvren::analysis {

class GaussianAlphaBlend : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "GaussianAlphaBlendOperator",
        .op_type = "GaussianAlphaBlend",
        .category = Category::kBlending,
        .metric = "FLOPs",
        .parameters = Joined({{ActiveRatio(), CorrectedOnly(Flag("alpha_given", false,
                                                                 "another operator makes the alphas "
                                                                 "of (Gaussian, pixel)"))},
                              SplatListParameters()}),
        .backward_ratio_low = 1,
        .backward_ratio_high = 3};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    ReferenceFigures figures =
        FromShapes({{c.rays, c.samples, 3}, {c.rays, c.samples, 1}}, {c.rays, 3}, 6 * c.total_samples);
    figures.backward_num_ops = figures.num_ops;
    figures.backward_tensors = BlendingBackwardTensors(c);
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override { return c.backward ? Backward(c) : Forward(c); }

 private:
  // A tile stages its list once for all its pixels: the values of a Gaussian are gathered once per pair.
  static void AddLists(const OperatorCase& c, const SplatSizes& sizes, bool alpha_given, CorrectedFigures& figures) {
    const int values = alpha_given ? 3 : kShapeValues + 3;
    figures.input_a += sizes.pairs + values * sizes.gaussians;
    if (!alpha_given) figures.input_w = sizes.gaussians;
    figures.work.gather_bytes = c.Bytes((values + (alpha_given ? 0 : 1)) * sizes.pairs);
    figures.work.footprint_bytes += c.Bytes((values + (alpha_given ? 0 : 1)) * sizes.gaussians);
    AddIndices(sizes.pairs, figures.work);
  }

  static CorrectedFigures Forward(const OperatorCase& c) {
    const SplatSizes sizes = CountSplats(c);
    const Count active = ActiveSamples(c);
    const bool alpha_given = c.parameters.Bool("alpha_given");
    CorrectedFigures figures = Streams(c, alpha_given ? active : Count(0), 4 * c.rays);
    AddLists(c, sizes, alpha_given, figures);
    if (!alpha_given) {
      AddSplatAlpha(active, figures.work);
      figures.formulas = {kSplatAlphaFormula};
    }
    figures.work.mul += active;
    figures.work.fma += 4 * active + 3 * c.rays;
    figures.work.compare += active;
    figures.formulas.push_back({"splat.blend",
                                "w = T·alpha 1 mul, T -= T·alpha 1 fma, C += w·c 3 fma, 1 compare with the "
                                "early-stop threshold; background 3 fma per pixel"});
    return figures;
  }

  static CorrectedFigures Backward(const OperatorCase& c) {
    const SplatSizes sizes = CountSplats(c);
    const Count active = ActiveSamples(c);
    const bool alpha_given = c.parameters.Bool("alpha_given");
    // Gradient of the colour and the kept transmittance of each pixel.
    CorrectedFigures figures =
        Streams(c, 4 * c.rays + (alpha_given ? active : Count(0)), alpha_given ? active : Count(0));
    AddLists(c, sizes, alpha_given, figures);
    figures.work.mul += 5 * active;
    figures.work.fma += 6 * active + 3 * c.rays;
    figures.work.compare += active;
    figures.formulas = {
        {"splat.blend.backward",
         "the list again, back to front: T /= 1 - alpha 1 mul and 1 fma; w 1 mul; dL/dcolour = w·g 3 mul; "
         "g·(c - behind) 3 fma, times T, suffix 2 fma per (Gaussian, pixel)"}};
    int per_pair = 3;
    if (!alpha_given) {
      AddSplatAlpha(active, figures.work);
      figures.work.mul += 5 * active;
      figures.work.fma += 4 * active;
      per_pair = 9;
      figures.formulas.push_back(kSplatAlphaFormula);
      figures.formulas.push_back({"splat.alpha.backward",
                                  "opacity 1 mul; mean 2 mul, 2 fma; inverse covariance 2 mul, 2 "
                                  "fma per (Gaussian, pixel)"});
    }
    // Sums over the pixels of a tile on chip, one addition to memory per pair and value.
    figures.work.add += per_pair * active;
    figures.work.scatter_bytes = c.Bytes(per_pair * sizes.pairs);
    figures.work.footprint_bytes += c.Bytes(per_pair * sizes.gaussians);
    figures.output += per_pair * sizes.gaussians;
    figures.collision_factor = TilesPerGaussian(c.parameters);
    figures.formulas.push_back({"splat.scatter",
                                "values of a pair are summed over its tile's pixels (1 add each), then "
                                "added to the Gaussian's row: as many collisions as it has tiles"});
    return figures;
  }
};

}  // namespace dvren::analysis
