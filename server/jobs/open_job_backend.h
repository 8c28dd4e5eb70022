// Which backend a queue has, by how it is named.
#pragma once

#include <memory>
#include <string>

#include "server/jobs/job_backend.h"

namespace dvren::server {

// postgresql://… or postgres://…: a server that many daemons share; anything else: a folder for SQLite.
[[nodiscard]] absl::StatusOr<std::unique_ptr<JobBackend>> OpenJobBackend(const std::string& url_or_folder);

}  // namespace dvren::server
