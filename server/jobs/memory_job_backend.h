// A backend that forgets everything with the process: for tests, and as the plainest statement of what a backend does.
#pragma once

#include <memory>

#include "server/jobs/job_backend.h"

namespace dvren::server {

[[nodiscard]] std::unique_ptr<JobBackend> MakeMemoryJobBackend();

}  // namespace dvren::server
