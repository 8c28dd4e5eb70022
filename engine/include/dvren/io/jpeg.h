// JPEG: baseline and progressive, 8 bits, grey or colour.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::io {

struct JpegHeader {
  int width = 0, height = 0;
  int channels = 0;  // 1 or 3
};

// C order (height, width, channels), as stored: sRGB-encoded as a rule, colour profiles and orientation not applied.
struct JpegImage {
  JpegHeader header;
  std::vector<std::uint8_t> samples;
};

// NOT_FOUND, INVALID_ARGUMENT for a damaged file or four colours (CMYK).
[[nodiscard]] absl::StatusOr<JpegHeader> ReadJpegHeader(const std::string& path);
// Also INVALID_ARGUMENT for a file that is cut short or whose data are damaged where the decoder can see it,
// RESOURCE_EXHAUSTED when the file or the samples would take more than `max_bytes`.
[[nodiscard]] absl::StatusOr<JpegImage> ReadJpeg(const std::string& path,
                                                 std::uint64_t max_bytes = std::uint64_t{1} << 30);

}  // namespace dvren::io
