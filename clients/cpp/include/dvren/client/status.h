// Errors of the client are absl::Status with the code that the daemon gave. The message is one line that names field,
// value and remedy; the request's id, by which the daemon's log knows the call, rides along as a payload.
#pragma once

#include <string>

#include "dvren/core/status.h"

namespace dvren::client {

// The id of the request that failed, or "" when the daemon was not reached.
[[nodiscard]] std::string RequestIdOf(const absl::Status& status);

}  // namespace dvren::client
