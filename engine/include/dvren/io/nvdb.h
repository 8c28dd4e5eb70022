// NanoVDB: float fog volumes in .nvdb files (NanoVDB 32: codecs none, zip, blosc; several grids), and the check that
// makes a NanoVDB buffer of unknown origin safe to read. Without DVREN_WITH_VDB everything here returns UNIMPLEMENTED.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "dvren/io/atomic_file.h"
#include "dvren/io/volume.h"

namespace dvren::io {

// Walks every node of a single-grid float buffer, with bounds, alignment, masks, links, bounding boxes, extrema, counts
// and checksums verified, before any NanoVDB accessor may touch it; then that every value is finite and not negative
// (INVALID_ARGUMENT with the count of voxels and the first index (x, y, z), smallest z, then y, then x).
// Takes arbitrary bytes. Time and memory are linear in the size.
[[nodiscard]] absl::Status CheckNanoVdb(const Blob& blob);

// CheckNanoVdb, then the volume with its description read off the buffer. `name` starts messages. Takes over `blob`.
[[nodiscard]] absl::StatusOr<NanoVdbVolume> NanoVdbFromBlob(Blob blob, absl::string_view name);

struct NvdbGridInfo {
  std::string name, type, grid_class, codec;
  std::uint64_t bytes = 0;  // as declared, uncompressed
};

// The grids of a file, by its headers.
[[nodiscard]] absl::StatusOr<std::vector<NvdbGridInfo>> ListNvdbGrids(const std::string& path);

struct NvdbOptions {
  std::string grid;                                                     // empty: "density", or the only one
  bool convert_level_set = false;                                       // refuse level sets, or turn them into fog
  std::string source_name;                                              // for messages; empty: the path
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();  // of the grid, uncompressed
};

// NOT_FOUND without the file; INVALID_ARGUMENT for a missing grid (naming those there are), another type than float, a
// level set, or anything damaged; RESOURCE_EXHAUSTED above max_bytes.
[[nodiscard]] absl::StatusOr<NanoVdbVolume> ReadNvdb(const std::string& path, const NvdbOptions& options = {});
// The same from memory.
[[nodiscard]] absl::StatusOr<NanoVdbVolume> ParseNvdb(std::span<const std::byte> file, const NvdbOptions& options);

enum class NvdbCodec : std::uint16_t { kNone = 0, kZip = 1, kBlosc = 2 };

[[nodiscard]] absl::Status WriteNvdb(const std::string& path, const std::vector<NanoVdbVolume>& volumes,
                                     NvdbCodec codec = NvdbCodec::kNone, FileOps& ops = FileOps::Real());
[[nodiscard]] absl::Status WriteNvdb(const std::string& path, const NanoVdbVolume& volume,
                                     NvdbCodec codec = NvdbCodec::kNone, FileOps& ops = FileOps::Real());

// Dense f32 sigma over the index range [min - 1, max + 1] of the active voxels; box [min - 1.5, max + 1.5] in index
// space, which is its local space. RESOURCE_EXHAUSTED above max_bytes.
[[nodiscard]] absl::StatusOr<DenseVolume> NanoVdbToDense(
    const NanoVdbVolume& volume, std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max());

}  // namespace dvren::io
