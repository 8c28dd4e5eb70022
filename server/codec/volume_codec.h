// Volumes on the wire and on disk: io::Volume ↔ the description in v1::Field and the payload's bytes.
#pragma once

#include "dvren/fields/field.h"
#include "dvren/io/volume.h"
#include "dvren/v1/field_service.pb.h"

namespace dvren::server {

// The bytes that are kept: raw values of a dense grid, the buffer of a NanoVDB grid.
[[nodiscard]] const io::Blob& PayloadOf(const io::Volume& volume);
// Fills type, spec, bounds, channels and payload_bytes.
void DescribeVolume(const io::Volume& volume, const FieldInfo& info, v1::Field* description);
// Whether a stored description is complete and fits its payload_bytes; DATA_LOSS otherwise.
[[nodiscard]] absl::Status CheckStoredSpec(const v1::Field& description);
// The volume that was described. `payload` holds payload_bytes.
[[nodiscard]] absl::StatusOr<io::Volume> VolumeFrom(const v1::Field& description, io::Blob payload);

[[nodiscard]] absl::StatusOr<io::Interp> DecodeInterp(v1::Interp interp, const std::string& path);
[[nodiscard]] absl::StatusOr<io::Border> DecodeBorder(v1::Border border, const std::string& path);
[[nodiscard]] absl::StatusOr<io::Activation> DecodeActivation(v1::Activation activation, const std::string& path);

}  // namespace dvren::server
