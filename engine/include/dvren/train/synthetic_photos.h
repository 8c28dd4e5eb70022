// Photographs of a Gaussian blob, in closed form: training data that needs no files, and a truth to measure against.
#pragma once

#include <string>

#include "dvren/core/status.h"
#include "dvren/io/dataset_reader.h"

namespace dvren {

// density(x) = peak · exp(−|x|² / (2 s²)), of one colour, around the origin; world units.
struct GaussianBlob {
  double peak = 8;
  double deviation = 0.3;
  std::array<double, 3> color{0.9, 0.55, 0.2};

  // What is left of the light along a whole straight line at `distance` from the origin:
  // exp(−peak · s · √(2π) · exp(−d² / (2 s²))).
  [[nodiscard]] double Transmittance(double distance) const;
};

// 30 RGBA photographs of 64 x 64 pixels from all around, at a distance of 4 with 40 degrees of view. Every fifth, from
// the first on, is of the split "test", the others of "train"; "all" has both. request.path is not looked at.
// INVALID_ARGUMENT for another split, or a downscale that is none.
[[nodiscard]] absl::StatusOr<io::Dataset> MakeGaussianPhotos(const io::DatasetRequest& request,
                                                             const GaussianBlob& blob = {});

}  // namespace dvren
