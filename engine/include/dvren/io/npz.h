// NPZ: a ZIP of NPY arrays, as numpy.savez and numpy.savez_compressed write it and numpy.load reads it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dvren/io/npy.h"

namespace dvren::io {

inline constexpr std::uint64_t kDefaultNpzBytes = std::uint64_t{4} << 30;

// Stored and deflated entries; names without ".npy". `max_bytes` caps the values of all arrays together before anything
// is decompressed (RESOURCE_EXHAUSTED). INVALID_ARGUMENT for encrypted, damaged, duplicate or foreign entries.
[[nodiscard]] absl::StatusOr<std::map<std::string, NpyArray>> ReadNpz(const std::string& path,
                                                                      std::uint64_t max_bytes = kDefaultNpzBytes);

struct NpzOptions {
  bool compress = false;  // deflate, as savez_compressed
};
// The same arrays give the same bytes: entries carry no time.
[[nodiscard]] absl::Status WriteNpz(const std::string& path, const std::vector<std::pair<std::string, NpyView>>& arrays,
                                    const NpzOptions& options = {}, FileOps& ops = FileOps::Real());
[[nodiscard]] absl::Status WriteNpz(const std::string& path, const std::map<std::string, NpyArray>& arrays,
                                    const NpzOptions& options = {}, FileOps& ops = FileOps::Real());

}  // namespace dvren::io
