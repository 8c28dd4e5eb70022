// Photographs with cameras, as datasets hold them: what is trained on and measured against. Plain data, no engine.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dvren/core/geometry.h"
#include "dvren/core/status.h"

namespace dvren::io {

// OpenCV axes and pixels (docs/conventions.md); readers translate.
struct PhotoCamera {
  enum class Model : std::uint8_t { kPinhole, kFisheye };
  Model model = Model::kPinhole;
  int width = 0, height = 0;
  double fx = 0, fy = 0, cx = 0, cy = 0;  // pixels
  std::array<double, 5> distortion{};     // pinhole k1, k2, p1, p2, k3 (OpenCV's order); fisheye k1 … k4
  Affine camera_to_world;                 // rigid
};

// One photograph. Stored values, undecoded; premultiplied when there is an alpha channel.
struct Photo {
  std::string name;  // path below the dataset
  PhotoCamera camera;
  int channels = 3;  // 3 or 4
  // C order (height, width, channels), 0 … 65535. (Photographs of the full size hold 257 times their 8-bit values.)
  std::vector<std::uint16_t> values;
};

struct PhotoSet {
  std::vector<Photo> photos;
  Box bounds;  // of what the cameras look at, a guess for the field's box
};

}  // namespace dvren::io
