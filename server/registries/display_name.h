// What people may call a field.
#pragma once

#include <string>

#include "dvren/core/status.h"

namespace dvren::server {

// 1 to 128 characters of UTF-8, no control characters, no '/', no blank at either end. INVALID_ARGUMENT otherwise.
[[nodiscard]] absl::Status ValidateDisplayName(const std::string& display_name);
// 1 to 128 printable ASCII characters, or "" for none.
[[nodiscard]] absl::Status ValidateRequestId(const std::string& request_id);

}  // namespace dvren::server
