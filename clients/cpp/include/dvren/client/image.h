// Image: what a render gives, in host memory.
#pragma once

#include <cstddef>
#include <vector>

namespace dvren::client {

// Linear values in C order (height, width, channels), row 0 on top.
struct Image {
  int width = 0, height = 0, channels = 0;
  std::vector<float> pixels;

  [[nodiscard]] bool empty() const { return pixels.empty(); }
  [[nodiscard]] float at(int x, int y, int channel = 0) const {
    return pixels[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) *
                      static_cast<std::size_t>(channels) +
                  static_cast<std::size_t>(channel)];
  }
};

}  // namespace dvren::client
