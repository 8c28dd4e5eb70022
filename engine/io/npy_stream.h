// Reading and writing of one NPY stream, wherever its bytes come from (a file, memory, an entry of an NPZ). Internal.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "dvren/io/npy.h"

namespace dvren::io {

// Gives the next `bytes` bytes of the stream, or an error.
using NextBytes = std::function<absl::Status(void* to, std::uint64_t bytes)>;

// `total` is the stream's whole length; the array must fill it exactly.
[[nodiscard]] absl::StatusOr<NpyArray> ReadNpyStream(const NextBytes& next, std::uint64_t total,
                                                     std::uint64_t max_bytes, absl::string_view name);

// ReadNpy with another name in messages than the path.
[[nodiscard]] absl::StatusOr<NpyArray> ReadNpyFile(const std::string& path, const std::string& name,
                                                   std::uint64_t max_bytes);

// One array of an NPZ: the asked one; else "density", "values", or the only one. The others are not decompressed.
[[nodiscard]] absl::StatusOr<NpyArray> ReadNpzArray(const std::string& path, const std::string& name,
                                                    const std::string& asked, std::uint64_t max_bytes);

// Magic, version and header of an array, padded so that the values start at a multiple of 64.
[[nodiscard]] absl::StatusOr<std::string> NpyHeader(const NpyView& array, absl::string_view name,
                                                    std::uint64_t* value_bytes);

}  // namespace dvren::io
