// The embedded backend: a SQLite file in WAL mode, synchronous=FULL. One thread writes: what waits for it goes into one
// commit together, so that many submits share one fsync. Reads go on meanwhile, on connections of their own.
//
// In `folder`: queue.sqlite (and -wal, -shm beside it), and the file `created`, which says that there was a queue: one
// that is missing is an error, never an empty queue.
#pragma once

#include <memory>
#include <string>

#include "server/jobs/job_backend.h"

namespace dvren::server {

// Makes the folder and the file where there are none, and brings an older schema to this one. DATA_LOSS for a file that
// is missing or damaged, FAILED_PRECONDITION for one of a newer version or one that cannot be written; messages say
// what to do.
[[nodiscard]] absl::StatusOr<std::unique_ptr<JobBackend>> OpenSqliteJobBackend(const std::string& folder);

}  // namespace dvren::server
