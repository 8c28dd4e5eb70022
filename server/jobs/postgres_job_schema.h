// The tables of the PostgreSQL job queue, in the schema `dvren`, and how those of older versions become them.
#pragma once

#include "server/jobs/postgres_connection.h"

namespace dvren::server {

inline constexpr int kPostgresJobSchemaVersion = 3;

// Creates the tables, or brings them up to date, in one transaction; daemons that start together wait for each other.
// FAILED_PRECONDITION for a newer version, and for a server that does not keep what it acknowledges.
[[nodiscard]] absl::Status UpdatePostgresJobSchema(PostgresConnection& connection);

}  // namespace dvren::server
