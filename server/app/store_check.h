// dvrend --check-store: whether the job queue and what jobs have made are sound. The daemon does not run meanwhile.
#pragma once

#include "server/app/config.h"

namespace dvren::server {

// Prints a line for each finding, and how much was looked at. 0 when all is sound, 1 when something was found, and the
// exit code of the error when the store cannot be opened.
[[nodiscard]] int CheckStore(const Config& config);

}  // namespace dvren::server
