// OpenVDB files: float fog volumes with an affine transform. OpenVDB trusts the lengths in a file, so a file from
// elsewhere goes through ImportVolume (import.h), which does this in a process of its own. Without DVREN_WITH_VDB
// everything here returns UNIMPLEMENTED.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "dvren/io/atomic_file.h"
#include "dvren/io/volume.h"

namespace dvren::io {

struct VdbGridInfo {
  std::string name;
  std::string type;        // value type as OpenVDB calls it: "float", "double", "vec3s", …
  std::string grid_class;  // "fog volume", "level set", "staggered", "unknown"
};

[[nodiscard]] absl::StatusOr<std::vector<VdbGridInfo>> ListVdbGrids(const std::string& path);

struct VdbOptions {
  std::string grid;                // empty: "density", or the only one
  bool convert_level_set = false;  // refuse level sets, or turn them into fog (density 0 … 1 through the narrow band)
  std::string source_name;         // for messages; empty: the path
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();  // of the result
};

// Float grids, half-saved ones too; double grids are converted. NOT_FOUND without the file; INVALID_ARGUMENT for a
// missing grid (naming those there are), another value type, a level set, a frustum transform, no active voxel,
// negative, NaN or infinite density (count and first index (x, y, z)), or a damaged file; RESOURCE_EXHAUSTED above
// max_bytes.
[[nodiscard]] absl::StatusOr<NanoVdbVolume> VdbToNanoVdb(const std::string& path, const VdbOptions& options = {});

// Dense f32 over the index range [min - 1, max + 1] of the active voxels; box [min - 1.5, max + 1.5] in index
// space, which is its local space; local_to_world is the file's index-to-world. Channels: sigma; where no grid was
// asked for and Vec3 grids "color", or "color" and "sh1" to "sh3", "sh8" or "sh15", lie beside "density", those as
// well: "color" is r, g, b, or with the others 0.5 + 0.28209479 times the first coefficients. Where "density_raw" lies
// beside it too, the array and its activation are those that WriteVdb was given. Errors as above.
[[nodiscard]] absl::StatusOr<DenseVolume> VdbToDense(const std::string& path, const VdbOptions& options = {});

// A fog volume "density" (NanoVDB: its own name) in 1/world unit. Dense: with its colours, as VdbToDense reads them;
// voxels of value 0 stay inactive; f16 is saved as half; where a voxel is one unit of local space and centres are
// integers (an earlier VdbToDense), those are the indices, otherwise indices start at 0. With an activation "density"
// is twice as fine as the array, and the raw values are there as "density_raw". Interpolation and border are not in the
// file.
[[nodiscard]] absl::Status WriteVdb(const std::string& path, const Volume& volume, FileOps& ops = FileOps::Real());

// The density of a dense grid, as WriteVdb's grid of that name. Colours are left out.
[[nodiscard]] absl::StatusOr<NanoVdbVolume> DenseToNanoVdb(const DenseVolume& dense, const std::string& name);

}  // namespace dvren::io
