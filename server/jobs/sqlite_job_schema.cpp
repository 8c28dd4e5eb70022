#include "server/jobs/sqlite_job_schema.h"

#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

// From nothing to version 1. A step never changes once it has been released; new columns come by new steps.
absl::Status ToVersion1(SqliteConnection& connection) {
  return connection.Run(R"(
    CREATE TABLE jobs (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      owner TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL, spec BLOB NOT NULL,
      work_class INTEGER NOT NULL, priority INTEGER NOT NULL, request_id TEXT NOT NULL, state INTEGER NOT NULL,
      attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL, crashes INTEGER NOT NULL,
      not_before_ms INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, pause_requested INTEGER NOT NULL,
      error_code TEXT NOT NULL, error_message TEXT NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL,
      resume BLOB NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,
      epoch INTEGER NOT NULL, daemon TEXT NOT NULL, lease_until_ms INTEGER NOT NULL, last_event INTEGER NOT NULL);
    CREATE INDEX jobs_next ON jobs (state, work_class, owner, priority DESC, id);
    CREATE INDEX jobs_by_owner ON jobs (owner, id);
    CREATE UNIQUE INDEX jobs_by_request ON jobs (owner, request_id) WHERE request_id <> '';
    CREATE TABLE events (
      job_id INTEGER NOT NULL, number INTEGER NOT NULL, time_ms INTEGER NOT NULL, kind INTEGER NOT NULL,
      data BLOB NOT NULL, PRIMARY KEY (job_id, number)) WITHOUT ROWID;
    CREATE TABLE artifacts (
      job_id INTEGER NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
      media_type TEXT NOT NULL, PRIMARY KEY (job_id, name)) WITHOUT ROWID;
  )");
}

// To version 2: how many jobs of each owner are not finished (state < 3), so that a submit need not count them.
// Triggers keep it: it changes in the transaction that changes a job.
absl::Status ToVersion2(SqliteConnection& connection) {
  return connection.Run(R"(
    CREATE TABLE unfinished (owner TEXT PRIMARY KEY, jobs INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO unfinished SELECT owner, COUNT(*) FROM jobs WHERE state < 3 GROUP BY owner;
    CREATE TRIGGER unfinished_inserted AFTER INSERT ON jobs WHEN NEW.state < 3 BEGIN
      INSERT INTO unfinished VALUES (NEW.owner, 1) ON CONFLICT (owner) DO UPDATE SET jobs = jobs + 1;
    END;
    CREATE TRIGGER unfinished_changed AFTER UPDATE OF state ON jobs WHEN (OLD.state < 3) <> (NEW.state < 3) BEGIN
      UPDATE unfinished SET jobs = jobs + (NEW.state < 3) - (OLD.state < 3) WHERE owner = NEW.owner;
    END;
    CREATE TRIGGER unfinished_deleted AFTER DELETE ON jobs WHEN OLD.state < 3 BEGIN
      UPDATE unfinished SET jobs = jobs - 1 WHERE owner = OLD.owner;
    END;
  )");
}

using Step = absl::Status (*)(SqliteConnection&);
constexpr std::array<Step, kSqliteJobSchemaVersion> kSteps{ToVersion1, ToVersion2};

}  // namespace

absl::Status UpdateSqliteJobSchema(SqliteConnection& connection, const std::string& path) {
  DVREN_RETURN_IF_ERROR(connection.Run("BEGIN IMMEDIATE"));
  const absl::Status status = [&]() -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(const std::string text, connection.ReadText("PRAGMA user_version"));
    int version = 0;
    if (!absl::SimpleAtoi(text, &version) || version < 0 || version > kSqliteJobSchemaVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat("jobs.store = ", path, ": has version ", text, ", and this dvrend knows versions up to ",
                       kSqliteJobSchemaVersion, "; run the newer dvrend that wrote it"));
    }
    for (; version < kSqliteJobSchemaVersion; ++version) {
      DVREN_RETURN_IF_ERROR(kSteps[static_cast<std::size_t>(version)](connection));
    }
    return connection.Run(absl::StrCat("PRAGMA user_version = ", kSqliteJobSchemaVersion));
  }();
  if (!status.ok()) {
    if (connection.in_transaction()) connection.Run("ROLLBACK").IgnoreError();
    return status;
  }
  return connection.Run("COMMIT");
}

}  // namespace dvren::server
