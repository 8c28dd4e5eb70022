// How many screen tiles a projected Gaussian touches.
#pragma once

#include <numbers>

#include "analysis/operators/figures.h"

namespace dvren::analysis {

// Parameters of the reference's tile tests.
[[nodiscard]] inline std::vector<ParameterSpec> TileParameters(double keep_ratio) {
  ParameterSpec image;
  image.name = "image_wh";
  image.type = ParameterSpec::Type::kIntegers;
  image.default_value = std::vector<std::int64_t>{1280, 720};
  image.entries = 2;
  image.meaning = "width, height of the image in pixels";
  return {image, PositiveInteger("tile", 16, "edge of a tile in pixels"),
          Ratio("tile_keep_ratio", keep_ratio, "reference mode: share of the Gaussians that each tile keeps")};
}

// Corrected mode: the shape of a splat on the screen. Measure them where a scene is at hand.
[[nodiscard]] inline std::vector<ParameterSpec> SplatParameters() {
  return {CorrectedOnly(PositiveReal("splat_px", 16, "diameter of a splat at 3 sigma along its major axis, in pixels")),
          CorrectedOnly(Ratio("splat_aspect", 0.5, "minor over major diameter of a splat"))};
}

inline void Append(std::vector<ParameterSpec> more, std::vector<ParameterSpec>& specs) {
  for (ParameterSpec& spec : more) specs.push_back(std::move(spec));
}

[[nodiscard]] inline std::vector<ParameterSpec> Joined(std::initializer_list<std::vector<ParameterSpec>> lists) {
  std::vector<ParameterSpec> all;
  for (const std::vector<ParameterSpec>& list : lists) Append(list, all);
  return all;
}

// Whole tiles of the image, as the reference counts them.
[[nodiscard]] inline Count WholeTiles(const Parameters& parameters) {
  const std::vector<std::int64_t>& image = parameters.Integers("image_wh");
  const std::int64_t tile = parameters.Integer("tile");
  return Count(image[0] / tile) * Count(image[1] / tile);
}

[[nodiscard]] inline absl::Status CheckTiles(const std::string& owner, const Parameters& parameters) {
  const std::vector<std::int64_t>& image = parameters.Integers("image_wh");
  const std::int64_t tile = parameters.Integer("tile");
  if (tile <= image[0] && tile <= image[1]) return absl::OkStatus();
  return InvalidField(owner + ".tile", tile, "must not exceed width and height of image_wh");
}

// Expected cells of a square lattice of this pitch that a randomly placed figure touches (Santaló, Integral Geometry
// and Geometric Probability, 8.2): 1 + (w_x + w_y)/pitch + area/pitch² with its widths w along the axes. The square of
// the major diameter, which 3D Gaussian splatting uses: (1 + d/pitch)².
[[nodiscard]] inline double TilesOfSquare(double splat_px, double pitch_px) {
  return (1 + splat_px / pitch_px) * (1 + splat_px / pitch_px);
}
// The oriented rectangle d × aspect·d, turned at random: the mean width of a convex figure is perimeter/pi.
[[nodiscard]] inline double TilesOfRectangle(double splat_px, double aspect, double pitch_px) {
  const double minor = aspect * splat_px;
  return 1 + 4 * (splat_px + minor) / (std::numbers::pi * pitch_px) + splat_px * minor / (pitch_px * pitch_px);
}

}  // namespace dvren::analysis
