// OpenEXR: named channels of 32-bit floats, linear, ZIP compressed. R, G, B for colour, A for opacity, Z for depth.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "dvren/io/atomic_file.h"

namespace dvren::io {

// Pixel (x, y) is values[(y * width + x) * stride]; row 0 is the top.
struct ExrChannel {
  std::string name;
  std::span<const float> values;
  std::size_t stride = 1;
};

// INVALID_ARGUMENT for no channel, a doubled or empty name, or too few values. Bits are kept, NaN and infinity too.
[[nodiscard]] absl::Status WriteExr(const std::string& path, int width, int height,
                                    const std::vector<ExrChannel>& channels, FileOps& ops = FileOps::Real());

struct ExrImage {
  int width = 0, height = 0;                           // of the data window
  std::map<std::string, std::vector<float>> channels;  // C order (height, width); half channels widened
};

// Single-part scan-line or tiled files. NOT_FOUND, INVALID_ARGUMENT for a damaged file, a subsampled or integer
// channel, RESOURCE_EXHAUSTED when the channels would take more than `max_bytes`.
[[nodiscard]] absl::StatusOr<ExrImage> ReadExr(const std::string& path,
                                               std::uint64_t max_bytes = std::uint64_t{1} << 30);

}  // namespace dvren::io
