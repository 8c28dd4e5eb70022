#include "server/jobs/postgres_job_backend.h"

#include <atomic>
#include <chrono>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/jobs/failpoint.h"
#include "server/jobs/job_checks.h"
#include "server/jobs/postgres_job_schema.h"
#include "server/jobs/postgres_listener.h"
#include "server/jobs/postgres_pool.h"

namespace dvren::server {
namespace {

constexpr int kMaxConnections = 8;  // of one daemon, beside the one that listens
constexpr int kMaxTries = 20;       // of a transaction that others are in the way of
constexpr std::chrono::milliseconds kRetryStep{2};
constexpr std::chrono::seconds kOutcomePatience{10};  // for a server that went away during a commit
constexpr std::chrono::milliseconds kOutcomeStep{200};

absl::Status NoJob(JobId id) {
  return absl::NotFoundError(absl::StrCat("job = jobs/", id, ": there is none; dvrenctl job list shows yours"));
}

// Binds the members of a job, in the order of JobColumns; all but the id.
struct JobBinder {
  PostgresParameters& parameters;
  void operator()(const char* column, const JobId& value) {
    if (std::string_view(column) != "id") parameters.Bind(value);
  }
  void operator()(const char*, const int& value) { parameters.Bind(std::int64_t{value}); }
  void operator()(const char*, const bool& value) { parameters.Bind(value); }
  void operator()(const char*, const WorkClass& value) { parameters.Bind(static_cast<std::int64_t>(value)); }
  void operator()(const char*, const JobState& value) { parameters.Bind(static_cast<std::int64_t>(value)); }
  void operator()(const char*, const std::string& value) { parameters.Bind(std::string_view(value)); }
  void Bytes(const char*, const std::string& value) { parameters.Bind(std::string_view(value)); }
};

struct JobReader {
  const PostgresRows& rows;
  int row;
  int column = 0;
  void operator()(const char*, std::int64_t& value) { value = rows.Integer(row, column++); }
  void operator()(const char*, int& value) { value = static_cast<int>(rows.Integer(row, column++)); }
  void operator()(const char*, bool& value) { value = rows.Integer(row, column++) != 0; }
  void operator()(const char*, WorkClass& value) { value = static_cast<WorkClass>(rows.Integer(row, column++)); }
  void operator()(const char*, JobState& value) { value = static_cast<JobState>(rows.Integer(row, column++)); }
  void operator()(const char*, std::string& value) { value = rows.Text(row, column++); }
  void Bytes(const char*, std::string& value) { value = rows.Text(row, column++); }
};

Job ReadJob(const PostgresRows& rows, int row) {
  Job job;
  JobReader reader{rows, row};
  VisitJobColumns(job, reader);
  return job;
}

std::vector<Job> ReadJobs(const PostgresRows& rows) {
  std::vector<Job> jobs;
  for (int row = 0; row < rows.size(); ++row) jobs.push_back(ReadJob(rows, row));
  return jobs;
}

std::vector<JobId> ReadIds(const PostgresRows& rows) {
  std::vector<JobId> ids;
  for (int row = 0; row < rows.size(); ++row) ids.push_back(rows.Integer(row, 0));
  return ids;
}

struct JobSql {
  std::string columns = absl::StrJoin(JobColumns(), ", ");
  std::string select = absl::StrCat("SELECT ", columns, " FROM jobs ");
  std::string insert, update;
  JobSql() {
    const std::vector<std::string> names(JobColumns().begin() + 1, JobColumns().end());  // all but the id
    std::vector<std::string> marks, sets;
    for (const std::string& name : names) {
      marks.push_back(absl::StrCat("$", marks.size() + 1));
      sets.push_back(absl::StrCat(name, " = ", marks.back()));
    }
    insert = absl::StrCat("INSERT INTO jobs (", absl::StrJoin(names, ", "), ") VALUES (", absl::StrJoin(marks, ", "),
                          ") RETURNING id");
    update = absl::StrCat("UPDATE jobs SET ", absl::StrJoin(sets, ", "), " WHERE id = $", names.size() + 1);
  }
};
const JobSql& Sql() {
  static const JobSql sql;
  return sql;
}

// Whatever it reads it locks, in the order of ids where it reads many, so that two do not wait for each other.
class PostgresTransaction final : public JobTransaction {
 public:
  explicit PostgresTransaction(PostgresConnection& connection) : connection_(connection) {}

  [[nodiscard]] const std::set<JobId>& touched() const { return touched_; }

  absl::StatusOr<Job> Load(JobId id) override {
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           connection_.Query(Sql().select + "WHERE id = $1 FOR UPDATE", PostgresParameters().Bind(id)));
    if (rows.size() == 0) return NoJob(id);
    return ReadJob(rows, 0);
  }
  absl::Status Save(const Job& job) override {
    PostgresParameters parameters;
    JobBinder binder{parameters};
    VisitJobColumns(job, binder);
    touched_.insert(job.id);
    return connection_.Query(Sql().update, parameters.Bind(job.id)).status();
  }
  absl::StatusOr<JobId> Insert(const Job& job) override {
    PostgresParameters parameters;
    JobBinder binder{parameters};
    VisitJobColumns(job, binder);
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows, connection_.Query(Sql().insert, parameters));
    touched_.insert(rows.Integer(0, 0));
    return rows.Integer(0, 0);
  }
  absl::Status Append(JobId id, const std::vector<JobEvent>& events) override {
    for (const JobEvent& event : events) {
      PostgresParameters parameters;
      parameters.Bind(id).Bind(event.number).Bind(event.time_ms).Bind(static_cast<std::int64_t>(event.kind));
      parameters.Bind(std::string_view(event.data));
      DVREN_RETURN_IF_ERROR(connection_.Query("INSERT INTO events VALUES ($1, $2, $3, $4, $5)", parameters).status());
    }
    return absl::OkStatus();
  }
  absl::Status PutArtifact(JobId id, const JobArtifact& artifact) override {
    PostgresParameters parameters;
    parameters.Bind(id).Bind(std::string_view(artifact.name)).Bind(std::string_view(artifact.sha256));
    parameters.Bind(static_cast<std::int64_t>(artifact.bytes)).Bind(std::string_view(artifact.media_type));
    return connection_
        .Query(
            "INSERT INTO artifacts VALUES ($1, $2, $3, $4, $5) ON CONFLICT (job_id, name) DO UPDATE"
            " SET sha256 = excluded.sha256, bytes = excluded.bytes, media_type = excluded.media_type",
            parameters)
        .status();
  }
  absl::StatusOr<std::optional<JobId>> FindRequest(const std::string& owner, const std::string& request_id) override {
    // A row that is not there cannot be locked: the same request, come twice at the same time, waits for itself.
    PostgresParameters parameters;
    parameters.Bind(std::string_view(owner)).Bind(std::string_view(request_id));
    DVREN_RETURN_IF_ERROR(
        connection_.Query("SELECT pg_advisory_xact_lock(7240312, hashtext($1 || '/' || $2))", parameters).status());
    DVREN_ASSIGN_OR_RETURN(
        const PostgresRows rows,
        connection_.Query("SELECT id FROM jobs WHERE owner = $1 AND request_id = $2 AND request_id <> '' FOR UPDATE",
                          parameters));
    if (rows.size() == 0) return std::optional<JobId>();
    return std::optional<JobId>(rows.Integer(0, 0));
  }
  absl::StatusOr<std::int64_t> CountUnfinished(const std::string& owner) override {
    // Rows that others insert meanwhile cannot be locked: who counts waits for who has counted, of the same owner.
    PostgresParameters parameters;
    parameters.Bind(std::string_view(owner));
    DVREN_RETURN_IF_ERROR(
        connection_.Query("SELECT pg_advisory_xact_lock(7240311, hashtext($1))", parameters).status());
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           connection_.Query(absl::StrCat("SELECT COUNT(*) FROM jobs WHERE owner = $1 AND state < ",
                                                          static_cast<int>(JobState::kSucceeded)),
                                             parameters));
    return rows.Integer(0, 0);
  }
  absl::StatusOr<std::vector<JobId>> RunningOf(const std::string& daemon) override {
    PostgresParameters parameters;
    parameters.Bind(std::string_view(daemon));
    DVREN_ASSIGN_OR_RETURN(
        const PostgresRows rows,
        connection_.Query(absl::StrCat("SELECT id FROM jobs WHERE state = ", static_cast<int>(JobState::kRunning),
                                       " AND daemon = $1 ORDER BY id FOR UPDATE"),
                          parameters));
    return ReadIds(rows);
  }
  absl::StatusOr<std::vector<JobId>> Expired(std::int64_t now_ms) override {
    // One that somebody holds is being renewed, or recovered by another daemon.
    DVREN_ASSIGN_OR_RETURN(
        const PostgresRows rows,
        connection_.Query(absl::StrCat("SELECT id FROM jobs WHERE state = ", static_cast<int>(JobState::kRunning),
                                       " AND lease_until_ms < $1 ORDER BY id FOR UPDATE SKIP LOCKED"),
                          PostgresParameters().Bind(now_ms)));
    return ReadIds(rows);
  }
  absl::Status Delete(JobId id) override {
    touched_.insert(id);
    for (const char* sql : {"DELETE FROM events WHERE job_id = $1", "DELETE FROM artifacts WHERE job_id = $1",
                            "DELETE FROM jobs WHERE id = $1"}) {
      DVREN_RETURN_IF_ERROR(connection_.Query(sql, PostgresParameters().Bind(id)).status());
    }
    return absl::OkStatus();
  }

 private:
  PostgresConnection& connection_;
  std::set<JobId> touched_;
};

class PostgresJobBackend final : public JobBackend {
 public:
  explicit PostgresJobBackend(const std::string& url)
      : url_(url), self_(std::to_string(std::random_device()())), pool_(url, kMaxConnections) {}

  std::string name() const override { return "postgresql"; }

  absl::Status Write(const std::function<absl::Status(JobTransaction&)>& body) override {
    for (int tries = 1;; ++tries) {
      bool again = false;
      const absl::Status status = WriteOnce(body, again);
      if (!again) return status;
      if (tries == kMaxTries) {
        return absl::UnavailableError(absl::StrCat(status.message(), "; ", tries, " tries: try again later"));
      }
      std::this_thread::sleep_for(kRetryStep * tries);
    }
  }

  absl::StatusOr<Job> Get(JobId id) override {
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           Read(Sql().select + "WHERE id = $1", PostgresParameters().Bind(id)));
    if (rows.size() == 0) return NoJob(id);
    return ReadJob(rows, 0);
  }

  absl::StatusOr<std::vector<Job>> List(const JobQuery& query) override {
    std::string sql = Sql().select + "WHERE true";
    PostgresParameters parameters;
    int count = 0;
    const auto add = [&](absl::string_view condition, const auto& value) {
      absl::StrAppend(&sql, " AND ", condition, " $", ++count);
      parameters.Bind(value);
    };
    if (!query.owner.empty()) add("owner =", std::string_view(query.owner));
    if (!query.kind.empty()) add("kind =", std::string_view(query.kind));
    if (query.before != 0) add("id <", query.before);
    if (!query.states.empty()) {
      const auto number = [](std::string* out, JobState state) { absl::StrAppend(out, static_cast<int>(state)); };
      absl::StrAppend(&sql, " AND state IN (", absl::StrJoin(query.states, ", ", number), ")");
    }
    absl::StrAppend(&sql, " ORDER BY id DESC LIMIT $", ++count);
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows, Read(sql, parameters.Bind(std::int64_t{query.limit})));
    return ReadJobs(rows);
  }

  absl::StatusOr<std::vector<Job>> Heads(std::int64_t now_ms) override {
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           Read(absl::StrCat("SELECT DISTINCT ON (owner, work_class) ", Sql().columns,
                                             " FROM jobs WHERE state = ", static_cast<int>(JobState::kQueued),
                                             " AND not_before_ms <= $1 ORDER BY owner, work_class, priority DESC, id"),
                                PostgresParameters().Bind(now_ms)));
    return ReadJobs(rows);
  }

  absl::StatusOr<std::vector<JobEvent>> Events(JobId id, std::int64_t from, int limit) override {
    DVREN_RETURN_IF_ERROR(CheckJob(id));
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           Read("SELECT number, time_ms, kind, data FROM events WHERE job_id = $1 AND number >= $2"
                                " ORDER BY number LIMIT $3",
                                PostgresParameters().Bind(id).Bind(from).Bind(std::int64_t{limit})));
    std::vector<JobEvent> events;
    for (int row = 0; row < rows.size(); ++row) {
      events.push_back({rows.Integer(row, 0), rows.Integer(row, 1), static_cast<JobEventKind>(rows.Integer(row, 2)),
                        rows.Text(row, 3)});
    }
    return events;
  }

  absl::StatusOr<std::vector<JobArtifact>> Artifacts(JobId id) override {
    DVREN_RETURN_IF_ERROR(CheckJob(id));
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           Read("SELECT name, sha256, bytes, media_type FROM artifacts WHERE job_id = $1 ORDER BY name",
                                PostgresParameters().Bind(id)));
    std::vector<JobArtifact> artifacts;
    for (int row = 0; row < rows.size(); ++row) {
      artifacts.push_back(
          {rows.Text(row, 0), rows.Text(row, 1), static_cast<std::uint64_t>(rows.Integer(row, 2)), rows.Text(row, 3)});
    }
    return artifacts;
  }

  absl::StatusOr<std::vector<JobId>> FinishedBefore(std::int64_t finished_before_ms, int limit) override {
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           Read(absl::StrCat("SELECT id FROM jobs WHERE state > ", static_cast<int>(JobState::kPaused),
                                             " AND finished_ms < $1 ORDER BY id LIMIT $2"),
                                PostgresParameters().Bind(finished_before_ms).Bind(std::int64_t{limit})));
    return ReadIds(rows);
  }

  absl::StatusOr<std::vector<std::string>> Objects() override {
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           Read("SELECT DISTINCT sha256 FROM artifacts ORDER BY sha256", PostgresParameters()));
    std::vector<std::string> objects;
    for (int row = 0; row < rows.size(); ++row) objects.push_back(rows.Text(row, 0));
    return objects;
  }

  absl::StatusOr<std::vector<std::string>> Check() override {
    std::vector<std::string> findings;
    for (const auto& [what, sql] : kJobChecks) {
      DVREN_ASSIGN_OR_RETURN(const PostgresRows rows, Read(sql, PostgresParameters()));
      for (const JobId id : ReadIds(rows)) findings.push_back(absl::StrCat(what, ": jobs/", id));
    }
    return findings;
  }

  void Listen(std::function<void(JobId)> changed) override {
    listener_.reset();
    if (changed) listener_ = std::make_unique<PostgresListener>(url_, self_, std::move(changed));
  }

 private:
  // `again`: nothing has changed, and it may well go better the next time.
  absl::Status WriteOnce(const std::function<absl::Status(JobTransaction&)>& body, bool& again) {
    DVREN_ASSIGN_OR_RETURN(const PostgresPool::Lease connection, pool_.Take());
    if (const absl::Status begun = connection->Run("BEGIN"); !begun.ok()) {
      again = StaleConnection(connection);
      return begun;
    }
    PostgresTransaction transaction(*connection);
    absl::Status status = body(transaction);
    // An error that the body has passed over would make COMMIT a rollback.
    if (status.ok() && !connection->in_transaction()) {
      status = absl::InternalError("jobs.store: the transaction has ended by itself");
    }
    const std::int64_t number = ++commits_;
    if (status.ok() && !transaction.touched().empty()) status = SignCommit(*connection, number);
    if (!status.ok()) {
      again = absl::IsAborted(status) && !connection->in_transaction() && !connection->broken();
      connection->Run("ROLLBACK").IgnoreError();
      return status;
    }
    Failpoint("before_commit");
    status = connection->Run("COMMIT");
    if (!status.ok() && connection->broken()) {
      pool_.DropIdle();
      if (!transaction.touched().empty()) status = Outcome(connection->key(), number, status);
    }
    if (!status.ok()) {
      again = absl::IsAborted(status);
      return status;
    }
    Failpoint("after_commit");
    // Apart from the transaction: those that notify commit one after the other, each with its own fsync.
    for (const JobId id : transaction.touched()) {
      const std::string payload = absl::StrCat(self_, ":", id);
      const std::string_view channel = PostgresListener::kChannel;
      connection->Query("SELECT pg_notify($1, $2)", PostgresParameters().Bind(channel).Bind(std::string_view(payload)))
          .IgnoreError();
    }
    return absl::OkStatus();
  }

  // As a part of the transaction. The server's own number of it would not do: after a crash another may get it.
  static absl::Status SignCommit(PostgresConnection& connection, std::int64_t number) {
    PostgresParameters parameters;
    parameters.Bind(std::string_view(connection.key())).Bind(number);
    return connection
        .Query(
            "INSERT INTO commits VALUES ($1, $2, now())"
            " ON CONFLICT (connection) DO UPDATE SET number = excluded.number, at = excluded.at",
            parameters)
        .status();
  }

  // The connection broke during the commit: whether that was before or after, its signature says. Not by the pool,
  // which may be empty because all wait here.
  absl::Status Outcome(const std::string& key, std::int64_t number, const absl::Status& lost) {
    const auto end = std::chrono::steady_clock::now() + kOutcomePatience;
    for (; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(kOutcomeStep)) {
      const absl::StatusOr<std::unique_ptr<PostgresConnection>> connection = PostgresConnection::Open(url_);
      if (!connection.ok()) continue;
      // Both wait for a commit that is still under way, the first for that of a new row.
      PostgresParameters parameters;
      parameters.Bind(std::string_view(key));
      if (!(*connection)->Query("INSERT INTO commits VALUES ($1, 0, now()) ON CONFLICT DO NOTHING", parameters).ok()) {
        continue;
      }
      const absl::StatusOr<PostgresRows> rows =
          (*connection)->Query("SELECT number FROM commits WHERE connection = $1 FOR UPDATE", parameters);
      if (rows.ok() && rows->size() == 1) return rows->Integer(0, 0) == number ? absl::OkStatus() : lost;
    }
    return absl::UnavailableError(absl::StrCat(lost.message(),
                                               "; it went away during a commit: look whether the change"
                                               " is there, or send it again with the same request_id"));
  }

  // Whether the connection broke while it lay in the pool; then all that lie there are gone.
  bool StaleConnection(const PostgresPool::Lease& connection) {
    if (!connection->broken() || !connection.used()) return false;
    pool_.DropIdle();
    return true;
  }

  absl::StatusOr<PostgresRows> Read(const std::string& sql, const PostgresParameters& parameters) {
    while (true) {
      DVREN_ASSIGN_OR_RETURN(const PostgresPool::Lease connection, pool_.Take());
      absl::StatusOr<PostgresRows> rows = connection->Query(sql, parameters);
      if (rows.ok() || !StaleConnection(connection)) return rows;
    }
  }

  absl::Status CheckJob(JobId id) {
    DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                           Read("SELECT 1 FROM jobs WHERE id = $1", PostgresParameters().Bind(id)));
    return rows.size() == 0 ? NoJob(id) : absl::OkStatus();
  }

  const std::string url_;
  const std::string self_;  // who a notification is from
  std::atomic<std::int64_t> commits_{0};
  PostgresPool pool_;
  std::unique_ptr<PostgresListener> listener_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<JobBackend>> OpenPostgresJobBackend(const std::string& url) {
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<PostgresConnection> connection, PostgresConnection::Open(url));
  DVREN_RETURN_IF_ERROR(UpdatePostgresJobSchema(*connection));
  return std::unique_ptr<JobBackend>(std::make_unique<PostgresJobBackend>(url));
}

}  // namespace dvren::server
