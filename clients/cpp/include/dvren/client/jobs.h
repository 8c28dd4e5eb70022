// What is heard of jobs.
#pragma once

#include <functional>

#include "dvren/v1/job_service.pb.h"

namespace dvren::client {

// Called from the calling thread with each event, in order; false ends the watch, not the job.
using OnJobEvent = std::function<bool(const v1::JobEvent&)>;

}  // namespace dvren::client
