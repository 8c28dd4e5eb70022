// What the OpenVDB files of dvren::io share: exceptions end here, and the way back from a NanoVDB buffer. Internal.
#pragma once

#include <openvdb/openvdb.h>

#include <cstdint>
#include <exception>
#include <new>
#include <string>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"
#include "out_of_memory.h"
#include "printable.h"

namespace dvren::io {

[[nodiscard]] inline absl::Status DamagedVdb(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": not a readable VDB: ", what));
}

// Runs `body`, turning what OpenVDB throws into a status. Exceptions end here.
template <class T, class Body>
absl::StatusOr<T> Guarded(absl::string_view name, Body body) {
  try {
    openvdb::initialize();  // once; thread-safe
    return body();
  } catch (const std::bad_alloc&) {
    return OutOfMemory(name);
  } catch (const std::exception& e) {
    return DamagedVdb(name, Printable(e.what()));
  }
}

// Writers leave the number of active voxels beside a grid. OpenVDB never compares, so a damaged tree would pass for a
// smaller volume.
[[nodiscard]] inline absl::Status CheckComplete(const openvdb::GridBase& header, const openvdb::GridBase& grid,
                                                absl::string_view name) {
  const auto declared = header.getMetadata<openvdb::Int64Metadata>(openvdb::GridBase::META_FILE_VOXEL_COUNT);
  if (declared == nullptr) return absl::OkStatus();
  const auto present = static_cast<std::int64_t>(grid.activeVoxelCount());
  if (present == declared->value()) return absl::OkStatus();
  return DamagedVdb(name, absl::StrCat("damaged: declares ", declared->value(), " active voxels, has ", present));
}

// The OpenVDB grid of a checked NanoVDB buffer: values, states, transform, name.
[[nodiscard]] openvdb::FloatGrid::Ptr OpenVdbOfNanoVdb(const Blob& blob);
// And the way there. RESOURCE_EXHAUSTED above max_bytes.
[[nodiscard]] absl::StatusOr<Blob> NanoVdbOfOpenVdb(const openvdb::FloatGrid& grid, std::uint64_t max_bytes,
                                                    absl::string_view name);

}  // namespace dvren::io
