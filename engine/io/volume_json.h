// The one line of JSON that dvren-parse says about the payload it has written, or about why there is none. Internal.
#pragma once

#include <optional>
#include <string>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

// {"kind":"dense","bytes":…,"shape":[…],"dtype":"f32","box":[x0,y0,z0,x1,y1,z1],"local_to_world":[…],
// "activation":"identity"} or
// {"kind":"nanovdb","bytes":…,"grid_name":…,"index_to_world":[…],"active_min":[…],"active_max":[…],"active_voxels":…}
[[nodiscard]] std::string VolumeToJson(const Volume& volume);
// The payload's bytes: dense values or the NanoVDB buffer.
[[nodiscard]] const Blob& PayloadOf(const Volume& volume);
// Back from the line and the payload, everything checked as if nobody had done so. Interp and border are left at
// defaults.
[[nodiscard]] absl::StatusOr<Volume> VolumeFromJson(const std::string& json, Blob payload, const std::string& name);

// "identity", "softplus", "exp", "trunc_exp".
[[nodiscard]] absl::string_view ActivationName(Activation activation);
[[nodiscard]] std::optional<Activation> ActivationOfName(absl::string_view name);

// {"code":"INVALID_ARGUMENT","message":…,"out_of_memory":true}, the last key only where it is so.
[[nodiscard]] std::string StatusToJson(const absl::Status& status);
// INTERNAL for what is no such line.
[[nodiscard]] absl::Status StatusFromJson(const std::string& json);

}  // namespace dvren::io
