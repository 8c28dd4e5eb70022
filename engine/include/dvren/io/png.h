// PNG: 8 or 16 bits, grey, RGB or RGBA.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "dvren/io/atomic_file.h"
#include "dvren/io/image.h"

namespace dvren::io {

// `values` in C order (height, width, channels), clamped to [0, 1] and rounded to the nearest of 2^bits - 1 steps.
// With `srgb_encode` the colours are linear light and are sRGB-encoded once (alpha never is), and the file says sRGB;
// without, the values are written as they are. INVALID_ARGUMENT for a NaN, naming its pixel, and for sizes that do not
// fit.
[[nodiscard]] absl::Status WritePng(const std::string& path, int width, int height, int channels, int bits,
                                    std::span<const float> values, bool srgb_encode, FileOps& ops = FileOps::Real());

// Stored samples, C order (height, width, channels): 0 … 2^bits - 1. Palettes and fewer bits are expanded to 8-bit
// RGB(A), grey with alpha to RGBA. Interlaced files are read too.
struct PngImage {
  int width = 0, height = 0, channels = 0, bits = 0;
  std::vector<std::uint16_t> samples;
};

// NOT_FOUND, INVALID_ARGUMENT for a damaged file, RESOURCE_EXHAUSTED when the samples would take more than `max_bytes`.
[[nodiscard]] absl::StatusOr<PngImage> ReadPng(const std::string& path,
                                               std::uint64_t max_bytes = std::uint64_t{1} << 30);

// In [0, 1]: the stored values, or with `srgb_decode` linear light (alpha as stored).
[[nodiscard]] Image ToImage(const PngImage& png, bool srgb_decode);

}  // namespace dvren::io
