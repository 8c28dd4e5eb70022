// The ready file: written when the daemon listens, so that a script knows when, and where (port 0 is chosen by the
// kernel).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace dvren::server {

// One address per line. Appears whole: written beside and renamed.
[[nodiscard]] absl::Status WriteReadyFile(const std::string& path, const std::vector<std::string>& addresses);

}  // namespace dvren::server
