#include "server/jobs/postgres_job_schema.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

constexpr char kSchemaLock[] = "SELECT pg_advisory_xact_lock(7240310)";  // any number, the same in every version

// From nothing to version 1. A step never changes once it has been released; new columns come by new steps. Names are
// compared by their bytes. Error messages come from anywhere and may be no UTF-8: they are kept as bytes. `commits` has
// each connection's last commit, for the one that breaks during it.
absl::Status ToVersion1(PostgresConnection& connection) {
  return connection.Run(R"(
    CREATE TABLE jobs (
      id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      owner TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL, title TEXT NOT NULL, spec BYTEA NOT NULL,
      work_class INTEGER NOT NULL, priority INTEGER NOT NULL, request_id TEXT COLLATE "C" NOT NULL,
      state INTEGER NOT NULL, attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL, crashes INTEGER NOT NULL,
      not_before_ms BIGINT NOT NULL, cancel_requested BOOLEAN NOT NULL, pause_requested BOOLEAN NOT NULL,
      error_code TEXT NOT NULL, error_message BYTEA NOT NULL, done BIGINT NOT NULL, total BIGINT NOT NULL,
      resume BYTEA NOT NULL, created_ms BIGINT NOT NULL, started_ms BIGINT NOT NULL, finished_ms BIGINT NOT NULL,
      epoch BIGINT NOT NULL, daemon TEXT COLLATE "C" NOT NULL, lease_until_ms BIGINT NOT NULL,
      last_event BIGINT NOT NULL);
    CREATE INDEX jobs_next ON jobs (owner, work_class, priority DESC, id) WHERE state = 0;
    CREATE INDEX jobs_running ON jobs (daemon) WHERE state = 1;
    CREATE INDEX jobs_finished ON jobs (finished_ms) WHERE state > 2;
    CREATE INDEX jobs_by_owner ON jobs (owner, id);
    CREATE UNIQUE INDEX jobs_by_request ON jobs (owner, request_id) WHERE request_id <> '';
    CREATE TABLE events (
      job_id BIGINT NOT NULL, number BIGINT NOT NULL, time_ms BIGINT NOT NULL, kind INTEGER NOT NULL,
      data BYTEA NOT NULL, PRIMARY KEY (job_id, number));
    CREATE TABLE artifacts (
      job_id BIGINT NOT NULL, name TEXT COLLATE "C" NOT NULL, sha256 TEXT COLLATE "C" NOT NULL, bytes BIGINT NOT NULL,
      media_type TEXT NOT NULL, PRIMARY KEY (job_id, name));
    CREATE TABLE commits (connection TEXT COLLATE "C" PRIMARY KEY, number BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL);
  )");
}

// To version 2: which folder of objects is the queue's (shared_folder.h). `marked`: the folder says so, too.
absl::Status ToVersion2(PostgresConnection& connection) {
  return connection.Run(R"(
    CREATE TABLE shared_folder (id TEXT COLLATE "C" PRIMARY KEY, marked BOOLEAN NOT NULL);
    INSERT INTO shared_folder VALUES (gen_random_uuid()::text, false);
  )");
}

// To version 3: an owner's unfinished jobs are counted in an index alone. (A row with the count would make all that
// changes an owner's jobs wait for each other's commit.)
absl::Status ToVersion3(PostgresConnection& connection) {
  return connection.Run("CREATE INDEX jobs_unfinished ON jobs (owner) WHERE state < 3");
}

using Step = absl::Status (*)(PostgresConnection&);
constexpr std::array<Step, kPostgresJobSchemaVersion> kSteps{ToVersion1, ToVersion2, ToVersion3};

absl::Status CheckDurable(PostgresConnection& connection) {
  for (const char* setting : {"fsync", "full_page_writes"}) {
    PostgresParameters parameters;
    parameters.Bind(std::string_view(setting));
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows, connection.Query("SELECT current_setting($1)", parameters));
    if (rows.Text(0, 0) != "on") {
      return absl::FailedPreconditionError(absl::StrCat("jobs.store = ", connection.name(), ": the server has ",
                                                        setting, " = ", rows.Text(0, 0),
                                                        " and may lose jobs that it has acknowledged; set it to on"));
    }
  }
  return absl::OkStatus();
}

absl::Status Update(PostgresConnection& connection) {
  DVREN_RETURN_IF_ERROR(connection.Run(kSchemaLock));
  // Asked for first: who may not create schemas can still use one that is there.
  DVREN_ASSIGN_OR_RETURN(const PostgresRows schema,
                         connection.Query("SELECT 1 FROM pg_namespace WHERE nspname = 'dvren'"));
  if (schema.size() == 0) DVREN_RETURN_IF_ERROR(connection.Run("CREATE SCHEMA dvren"));
  DVREN_RETURN_IF_ERROR(connection.Run("CREATE TABLE IF NOT EXISTS version (version INTEGER NOT NULL)"));
  DVREN_ASSIGN_OR_RETURN(const PostgresRows rows, connection.Query("SELECT version FROM version"));
  const std::int64_t found = rows.size() == 0 ? 0 : rows.Integer(0, 0);
  if (found < 0 || found > kPostgresJobSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "jobs.store = ", connection.name(), ": has version ", found, ", and this dvrend knows versions up to ",
        kPostgresJobSchemaVersion, "; run the newer dvrend that wrote it"));
  }
  for (std::int64_t version = found; version < kPostgresJobSchemaVersion; ++version) {
    DVREN_RETURN_IF_ERROR(kSteps[static_cast<std::size_t>(version)](connection));
  }
  // Of connections that are long gone.
  DVREN_RETURN_IF_ERROR(connection.Run("DELETE FROM commits WHERE at < now() - interval '1 day'"));
  if (found == kPostgresJobSchemaVersion) return absl::OkStatus();
  return connection.Run(
      absl::StrCat("DELETE FROM version; INSERT INTO version VALUES (", kPostgresJobSchemaVersion, ")"));
}

}  // namespace

absl::Status UpdatePostgresJobSchema(PostgresConnection& connection) {
  DVREN_RETURN_IF_ERROR(CheckDurable(connection));
  DVREN_RETURN_IF_ERROR(connection.Run("BEGIN"));
  const absl::Status status = Update(connection);
  if (status.ok()) return connection.Run("COMMIT");
  connection.Run("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace dvren::server
