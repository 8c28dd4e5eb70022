// What a VDB holds of a dense grid beside its density, so that it comes back whole; all with one transform:
//   color        Vec3: r, g, b; of spherical harmonics what all directions share, 0.5 + 0.28209479 c_0, before it is
//   cut
//                at 0. One voxel further than the density goes, so that it does not fade where that does
//   sh1 …        Vec3: the further coefficients c_1, c_2, … of r, g, b: 3, 8 or 15 of them (degree 1, 2, 3)
//   density_raw  float, of grids with an activation: the raw values; its metadata "activation" says what makes
//   densities
//                of them, "first" and "last" which voxels there are
// Internal to dvren::io.
#pragma once

#include <openvdb/openvdb.h>

#include <string>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

inline constexpr char kRawGrid[] = "density_raw", kActivationKey[] = "activation", kFirstKey[] = "first",
                      kLastKey[] = "last";

// Around `values`, a grid of the volume's last channel whose first voxel has index `first`. None for a volume of one
// channel.
[[nodiscard]] openvdb::GridPtrVec ColorGridsOf(const DenseVolume& volume, const openvdb::FloatGrid& values,
                                               const openvdb::Coord& first);

// Channels that the file's grids give beside the density: 0, 3, 12, 27 or 48. INVALID_ARGUMENT for another number of
// coefficients, for other values than vec3s and for a transform that is not the density's. `name`: the file.
[[nodiscard]] absl::StatusOr<std::int64_t> FindColors(openvdb::io::File& file,
                                                      const openvdb::math::Transform& transform,
                                                      absl::string_view name);

// Puts them into `dense`, whose memory is there and whose voxels are the indices of `box`.
[[nodiscard]] absl::Status ReadColors(openvdb::io::File& file, const openvdb::CoordBBox& box, absl::string_view name,
                                      DenseVolume* dense);

}  // namespace dvren::io
