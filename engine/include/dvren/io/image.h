// Image: pixels as floats, and the sRGB transfer function of IEC 61966-2-1.
#pragma once

#include <cmath>
#include <vector>

namespace dvren::io {

// C order (height, width, channels); row 0 is the top.
struct Image {
  int width = 0, height = 0, channels = 0;
  std::vector<float> values;
};

// Linear light to the stored value, both in [0, 1]; not clamped.
[[nodiscard]] inline double SrgbEncode(double linear) {
  return linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1.0 / 2.4) - 0.055;
}

[[nodiscard]] inline double SrgbDecode(double stored) {
  return stored <= 0.04045 ? stored / 12.92 : std::pow((stored + 0.055) / 1.055, 2.4);
}

}  // namespace dvren::io
