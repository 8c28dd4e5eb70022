// The tables of the SQLite job queue, and how those of older versions become them.
#pragma once

#include "server/jobs/sqlite_connection.h"

namespace dvren::server {

inline constexpr int kSqliteJobSchemaVersion = 2;

// Creates the tables, or brings them up to date, in one transaction. FAILED_PRECONDITION for a newer version.
[[nodiscard]] absl::Status UpdateSqliteJobSchema(SqliteConnection& connection, const std::string& path);

}  // namespace dvren::server
