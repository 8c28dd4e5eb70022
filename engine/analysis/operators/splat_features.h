// A Gaussian at a pixel: the 24 operations of its opacity and colour, as the splatting operators share them.
#pragma once

#include "analysis/operators/gaussian_tiles.h"

namespace dvren::analysis {

// Corrected mode: rays are pixels, samples the length of a pixel's list, S their product. The pixels of a tile share
// one list, so there are S/tile² (Gaussian, tile) pairs of S/tile²/(tiles per Gaussian) Gaussians.
struct SplatSizes {
  Count evaluations;  // S: (Gaussian, pixel)
  Count pairs;        // (Gaussian, tile)
  Count gaussians;    // visible
};

[[nodiscard]] inline std::vector<ParameterSpec> SplatListParameters() {
  return Joined({{CorrectedOnly(PositiveInteger("tile", 16, "edge of a tile in pixels")),
                  CorrectedOnly(Flag("use_obb", false, "lists come from oriented rectangles"))},
                 SplatParameters()});
}

[[nodiscard]] inline double TilesPerGaussian(const Parameters& p) {
  const double tile = static_cast<double>(p.Integer("tile"));
  return p.Bool("use_obb") ? TilesOfRectangle(p.Real("splat_px"), p.Real("splat_aspect"), tile)
                           : TilesOfSquare(p.Real("splat_px"), tile);
}

[[nodiscard]] inline SplatSizes CountSplats(const OperatorCase& c) {
  SplatSizes sizes;
  sizes.evaluations = c.total_samples;
  sizes.pairs = c.total_samples / (c.Integer("tile") * c.Integer("tile"));
  sizes.gaussians = sizes.pairs / Count(TilesPerGaussian(c.parameters));
  return sizes;
}

// alpha = opacity·exp(-quadratic form): per (Gaussian, pixel) 2 sub, 3 mul, 3 fma, 1 exp, 1 mul, 1 compare.
inline void AddSplatAlpha(const Count& evaluations, WorkCount& work) {
  work.add += 2 * evaluations;
  work.mul += 4 * evaluations;
  work.fma += 3 * evaluations;
  work.special += evaluations;
  work.compare += evaluations;
}
inline const Formula kSplatAlphaFormula = {
    "splat.alpha",
    "per (Gaussian, pixel): offset 2 sub, quadratic form 3 mul and 3 fma, 1 exp, times opacity 1 mul, 1 "
    "compare with 1/255 (Kerbl et al. 2023)"};

// Values per Gaussian that alpha needs: mean 2, inverse covariance 3; its opacity is a parameter.
inline constexpr int kShapeValues = 5;

}  // namespace dvren::analysis
