#include "server/jobs/open_job_backend.h"

#include "absl/strings/match.h"
#include "server/jobs/postgres_job_backend.h"
#include "server/jobs/sqlite_job_backend.h"

namespace dvren::server {

absl::StatusOr<std::unique_ptr<JobBackend>> OpenJobBackend(const std::string& url_or_folder) {
  if (absl::StartsWith(url_or_folder, "postgresql://") || absl::StartsWith(url_or_folder, "postgres://")) {
    return OpenPostgresJobBackend(url_or_folder);
  }
  return OpenSqliteJobBackend(url_or_folder);
}

}  // namespace dvren::server
