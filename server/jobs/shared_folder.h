// The folder of objects that belongs to a shared queue. Queue and folder know each other by an id, so that no daemon
// collects the objects of another queue as nobody's, or takes an empty mount point for the folder.
#pragma once

#include <string>

#include "dvren/core/status.h"

namespace dvren::server {

// Makes the folder the queue's where it has none yet, and gives the id. FAILED_PRECONDITION where the folder is another
// queue's, or the queue has another folder; UNAVAILABLE where the server is away. `url`: postgresql://…, whose schema
// is up to date.
[[nodiscard]] absl::StatusOr<std::string> ClaimSharedFolder(const std::string& url, const std::string& folder);

}  // namespace dvren::server
