// What a field must pass before anybody is told that it is there.
#pragma once

#include "dvren/core/status.h"
#include "dvren/io/volume.h"
#include "dvren/v1/field_service.pb.h"

namespace dvren::server {

// The engine's own checks, on the CPU whatever the devices are: what is acknowledged can be rendered. Fills in what the
// volume says about itself, and its SHA-256.
[[nodiscard]] absl::Status CheckAndDescribe(const io::Volume& volume, v1::Field* description);

}  // namespace dvren::server
