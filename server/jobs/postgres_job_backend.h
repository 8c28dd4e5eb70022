// The shared backend: a PostgreSQL server (13 or later) that many daemons work on. A row that a transaction reads is
// locked until it ends. Changes reach the other daemons by LISTEN and NOTIFY, sent after the commit: one that got lost
// with its sender is found by whoever looks at the queue next.
//
// Connections keep prepared statements and listen: between daemon and server there may be a pooler by session, not by
// transaction. Leases compare the daemons' clocks: these must agree to well below a lease.
#pragma once

#include <memory>
#include <string>

#include "server/jobs/job_backend.h"

namespace dvren::server {

// `url`: postgresql://user@host:port/database. Makes the schema `dvren` where there is none, and brings an older one to
// this version. UNAVAILABLE when there is no server, FAILED_PRECONDITION for a newer version, for one that cannot be
// written, and for a server that does not keep what it acknowledges (fsync = off).
[[nodiscard]] absl::StatusOr<std::unique_ptr<JobBackend>> OpenPostgresJobBackend(const std::string& url);

}  // namespace dvren::server
