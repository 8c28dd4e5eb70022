// One image of a dataset: PNG or JPEG, by its first bytes. Internal to dvren::io.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::io {

struct ImageHeader {
  int width = 0, height = 0;
  int channels = 3;  // 4 where there is alpha; grey is handed out as three equal channels
};

// From the file's first bytes; pixels are not looked at. INVALID_ARGUMENT for other kinds of files.
[[nodiscard]] absl::StatusOr<ImageHeader> ReadImageHeader(const std::string& path);

// C order (height, width, channels), 0 … 65535, premultiplied with alpha: the nearest integer to 65535 c a, with c and
// a in 0 … 1 as stored. Errors as those of ReadPng and ReadJpeg; INVALID_ARGUMENT when the file no longer has `header`.
[[nodiscard]] absl::StatusOr<std::vector<std::uint16_t>> ReadImageValues(const std::string& path,
                                                                         const ImageHeader& header,
                                                                         std::uint64_t max_bytes);

}  // namespace dvren::io
