// Colours of a dense grid in a VDB: Vec3 grids beside the density, one per coefficient, with its transform.
//   color     r, g, b; of spherical harmonics what all directions share, 0.5 + 0.28209479 c_0, before it is cut at 0
//   sh1 …     the further coefficients c_1, c_2, … of r, g, b: 3, 8 or 15 of them (degree 1, 2, 3)
// Colours go one voxel further than the density, so that they do not fade where it does. Internal to dvren::io.
#pragma once

#include <openvdb/openvdb.h>

#include <string>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

// For `density`, made of the volume's last channel, whose first voxel has index `first`. None for a volume of one
// channel.
[[nodiscard]] openvdb::GridPtrVec ColorGridsOf(const DenseVolume& volume, const openvdb::FloatGrid& density,
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
