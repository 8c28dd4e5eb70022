#include "server/jobs/sqlite_job_backend.h"

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "server/jobs/failpoint.h"
#include "server/jobs/job_checks.h"
#include "server/jobs/mutex.h"
#include "server/jobs/sqlite_connection.h"
#include "server/jobs/sqlite_job_schema.h"
#include "server/jobs/thread_annotations.h"
#include "server/registries/durable_file.h"

namespace dvren::server {
namespace {

constexpr std::size_t kMaxGroup = 256;  // writes of one commit
constexpr std::size_t kMaxReaders = 8;  // idle connections that are kept
constexpr char kCreatedText[] = "dvrend job queue\n";

absl::Status NoJob(JobId id) {
  return absl::NotFoundError(absl::StrCat("job = jobs/", id, ": there is none; dvrenctl job list shows yours"));
}

// Binds the members of a job, in the order of JobColumns; all but the id.
struct JobBinder {
  SqliteStatement& statement;
  void operator()(const char* column, const JobId& value) {
    if (std::string_view(column) != "id") statement.Bind(value);
  }
  void operator()(const char*, const int& value) { statement.Bind(static_cast<std::int64_t>(value)); }
  void operator()(const char*, const bool& value) { statement.Bind(std::int64_t{value ? 1 : 0}); }
  void operator()(const char*, const WorkClass& value) { statement.Bind(static_cast<std::int64_t>(value)); }
  void operator()(const char*, const JobState& value) { statement.Bind(static_cast<std::int64_t>(value)); }
  void operator()(const char*, const std::string& value) { statement.Bind(std::string_view(value)); }
  void Bytes(const char*, const std::string& value) { statement.BindBytes(value); }
};

struct JobReader {
  const SqliteStatement& statement;
  int column = 0;
  void operator()(const char*, std::int64_t& value) { value = statement.Integer(column++); }
  void operator()(const char*, int& value) { value = static_cast<int>(statement.Integer(column++)); }
  void operator()(const char*, bool& value) { value = statement.Integer(column++) != 0; }
  void operator()(const char*, WorkClass& value) { value = static_cast<WorkClass>(statement.Integer(column++)); }
  void operator()(const char*, JobState& value) { value = static_cast<JobState>(statement.Integer(column++)); }
  void operator()(const char*, std::string& value) { value = statement.Text(column++); }
  void Bytes(const char*, std::string& value) { value = statement.Text(column++); }
};

Job ReadJob(const SqliteStatement& statement) {
  Job job;
  JobReader reader{statement};
  VisitJobColumns(job, reader);
  return job;
}

absl::StatusOr<std::vector<Job>> ReadJobs(SqliteStatement& statement) {
  std::vector<Job> jobs;
  while (true) {
    DVREN_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return jobs;
    jobs.push_back(ReadJob(statement));
  }
}

absl::StatusOr<std::vector<JobId>> ReadIds(SqliteStatement& statement) {
  std::vector<JobId> ids;
  while (true) {
    DVREN_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return ids;
    ids.push_back(statement.Integer(0));
  }
}

struct JobSql {
  std::string select = absl::StrCat("SELECT ", absl::StrJoin(JobColumns(), ", "), " FROM jobs ");
  std::string insert, update;
  JobSql() {
    const std::vector<std::string> names(JobColumns().begin() + 1, JobColumns().end());  // all but the id
    const std::vector<std::string> marks(names.size(), "?");
    insert =
        absl::StrCat("INSERT INTO jobs (", absl::StrJoin(names, ", "), ") VALUES (", absl::StrJoin(marks, ", "), ")");
    update = absl::StrCat("UPDATE jobs SET ", absl::StrJoin(names, " = ?, "), " = ? WHERE id = ?");
  }
};
const JobSql& Sql() {
  static const JobSql sql;
  return sql;
}

// Owners whose row in `unfinished` (sqlite_job_schema.cpp) is not what their jobs say.
constexpr char kMiscounted[] =
    "SELECT owner FROM (SELECT owner, SUM(state < 3) AS jobs FROM jobs GROUP BY owner) AS counted"
    " WHERE jobs <> COALESCE((SELECT jobs FROM unfinished WHERE unfinished.owner = counted.owner), 0)"
    " UNION SELECT owner FROM unfinished WHERE jobs <> 0 AND owner NOT IN (SELECT owner FROM jobs)";

std::int64_t Number(JobState state) {
  return static_cast<std::int64_t>(state);
}

class SqliteTransaction final : public JobTransaction {
 public:
  explicit SqliteTransaction(SqliteConnection& connection) : connection_(connection) {}

  // Whether there is anything to commit.
  [[nodiscard]] bool wrote() const { return wrote_; }

  absl::StatusOr<Job> Load(JobId id) override {
    DVREN_ASSIGN_OR_RETURN(const auto statement, connection_.Prepare(Sql().select + "WHERE id = ?"));
    DVREN_ASSIGN_OR_RETURN(const bool row, statement->Bind(id).Step());
    if (!row) return NoJob(id);
    return ReadJob(*statement);
  }
  absl::Status Save(const Job& job) override {
    wrote_ = true;
    DVREN_ASSIGN_OR_RETURN(const auto statement, connection_.Prepare(Sql().update));
    JobBinder binder{*statement};
    VisitJobColumns(job, binder);
    return statement->Bind(job.id).Run();
  }
  absl::StatusOr<JobId> Insert(const Job& job) override {
    wrote_ = true;
    DVREN_ASSIGN_OR_RETURN(const auto statement, connection_.Prepare(Sql().insert));
    JobBinder binder{*statement};
    VisitJobColumns(job, binder);
    DVREN_RETURN_IF_ERROR(statement->Run());
    return connection_.last_insert_id();
  }
  absl::Status Append(JobId id, const std::vector<JobEvent>& events) override {
    wrote_ = true;
    for (const JobEvent& event : events) {
      DVREN_ASSIGN_OR_RETURN(const auto statement, connection_.Prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?)"));
      statement->Bind(id).Bind(event.number).Bind(event.time_ms).Bind(static_cast<std::int64_t>(event.kind));
      DVREN_RETURN_IF_ERROR(statement->BindBytes(event.data).Run());
    }
    return absl::OkStatus();
  }
  absl::Status PutArtifact(JobId id, const JobArtifact& artifact) override {
    wrote_ = true;
    DVREN_ASSIGN_OR_RETURN(const auto statement,
                           connection_.Prepare("INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?)"));
    statement->Bind(id).Bind(std::string_view(artifact.name)).Bind(std::string_view(artifact.sha256));
    return statement->Bind(static_cast<std::int64_t>(artifact.bytes)).Bind(std::string_view(artifact.media_type)).Run();
  }
  absl::StatusOr<std::optional<JobId>> FindRequest(const std::string& owner, const std::string& request_id) override {
    DVREN_ASSIGN_OR_RETURN(
        const auto statement,
        connection_.Prepare("SELECT id FROM jobs WHERE owner = ? AND request_id = ? AND request_id <> ''"));
    DVREN_ASSIGN_OR_RETURN(const bool row,
                           statement->Bind(std::string_view(owner)).Bind(std::string_view(request_id)).Step());
    if (!row) return std::optional<JobId>();
    return std::optional<JobId>(statement->Integer(0));
  }
  absl::StatusOr<std::int64_t> CountUnfinished(const std::string& owner) override {
    DVREN_ASSIGN_OR_RETURN(const auto statement, connection_.Prepare("SELECT jobs FROM unfinished WHERE owner = ?"));
    DVREN_ASSIGN_OR_RETURN(const bool row, statement->Bind(std::string_view(owner)).Step());
    return row ? statement->Integer(0) : 0;
  }
  absl::StatusOr<std::vector<JobId>> RunningOf(const std::string& daemon) override {
    DVREN_ASSIGN_OR_RETURN(const auto statement,
                           connection_.Prepare("SELECT id FROM jobs WHERE state = ? AND daemon = ? ORDER BY id"));
    statement->Bind(Number(JobState::kRunning)).Bind(std::string_view(daemon));
    return ReadIds(*statement);
  }
  absl::StatusOr<std::vector<JobId>> Expired(std::int64_t now_ms) override {
    DVREN_ASSIGN_OR_RETURN(
        const auto statement,
        connection_.Prepare("SELECT id FROM jobs WHERE state = ? AND lease_until_ms < ? ORDER BY id"));
    statement->Bind(Number(JobState::kRunning)).Bind(now_ms);
    return ReadIds(*statement);
  }
  absl::Status Delete(JobId id) override {
    wrote_ = true;
    for (const char* sql : {"DELETE FROM events WHERE job_id = ?", "DELETE FROM artifacts WHERE job_id = ?",
                            "DELETE FROM jobs WHERE id = ?"}) {
      DVREN_ASSIGN_OR_RETURN(const auto statement, connection_.Prepare(sql));
      DVREN_RETURN_IF_ERROR(statement->Bind(id).Run());
    }
    return absl::OkStatus();
  }

 private:
  SqliteConnection& connection_;
  bool wrote_ = false;
};

class SqliteJobBackend final : public JobBackend {
 public:
  SqliteJobBackend(std::string path, std::unique_ptr<SqliteConnection> writer)
      : path_(std::move(path)), connection_(std::move(writer)), thread_([this] { Run(); }) {}

  ~SqliteJobBackend() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      wake_.notify_all();
    }
    thread_.join();
  }

  std::string name() const override { return "sqlite"; }

  absl::Status Write(const std::function<absl::Status(JobTransaction&)>& body) override {
    Request request{&body};
    MutexLock lock(mutex_);
    waiting_.push_back(&request);
    wake_.notify_one();
    while (!request.done) request.finished.wait(lock.native());
    return request.outcome;
  }

  absl::StatusOr<Job> Get(JobId id) override {
    return Read<Job>([&](SqliteConnection& connection) -> absl::StatusOr<Job> {
      DVREN_ASSIGN_OR_RETURN(const auto statement, connection.Prepare(Sql().select + "WHERE id = ?"));
      DVREN_ASSIGN_OR_RETURN(const bool row, statement->Bind(id).Step());
      if (!row) return NoJob(id);
      return ReadJob(*statement);
    });
  }

  absl::StatusOr<std::vector<Job>> List(const JobQuery& query) override {
    return Read<std::vector<Job>>([&](SqliteConnection& connection) -> absl::StatusOr<std::vector<Job>> {
      std::string sql = Sql().select + "WHERE 1";
      if (!query.owner.empty()) sql += " AND owner = ?";
      if (!query.kind.empty()) sql += " AND kind = ?";
      if (query.before != 0) sql += " AND id < ?";
      if (!query.states.empty()) {
        sql += " AND state IN (";
        for (std::size_t i = 0; i < query.states.size(); ++i) sql += i == 0 ? "?" : ", ?";
        sql += ")";
      }
      sql += " ORDER BY id DESC LIMIT ?";
      DVREN_ASSIGN_OR_RETURN(const auto statement, connection.Prepare(sql));
      if (!query.owner.empty()) statement->Bind(std::string_view(query.owner));
      if (!query.kind.empty()) statement->Bind(std::string_view(query.kind));
      if (query.before != 0) statement->Bind(query.before);
      for (const JobState state : query.states) statement->Bind(Number(state));
      statement->Bind(std::int64_t{query.limit});
      return ReadJobs(*statement);
    });
  }

  absl::StatusOr<std::vector<Job>> Heads(std::int64_t now_ms) override {
    return Read<std::vector<Job>>([&](SqliteConnection& connection) -> absl::StatusOr<std::vector<Job>> {
      DVREN_ASSIGN_OR_RETURN(
          const auto statement,
          connection.Prepare(Sql().select +
                             "WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY owner, work_class"
                             " ORDER BY priority DESC, id) AS place FROM jobs WHERE state = ? AND not_before_ms <= ?)"
                             " WHERE place = 1) ORDER BY owner, work_class"));
      statement->Bind(Number(JobState::kQueued)).Bind(now_ms);
      return ReadJobs(*statement);
    });
  }

  absl::StatusOr<std::vector<JobEvent>> Events(JobId id, std::int64_t from, int limit) override {
    using Events = std::vector<JobEvent>;
    return Read<Events>([&](SqliteConnection& connection) -> absl::StatusOr<Events> {
      DVREN_RETURN_IF_ERROR(CheckJob(connection, id));
      DVREN_ASSIGN_OR_RETURN(const auto statement,
                             connection.Prepare("SELECT number, time_ms, kind, data FROM events WHERE job_id = ?"
                                                " AND number >= ? ORDER BY number LIMIT ?"));
      statement->Bind(id).Bind(from).Bind(std::int64_t{limit});
      Events events;
      while (true) {
        DVREN_ASSIGN_OR_RETURN(const bool row, statement->Step());
        if (!row) return events;
        events.push_back({statement->Integer(0), statement->Integer(1),
                          static_cast<JobEventKind>(statement->Integer(2)), statement->Text(3)});
      }
    });
  }

  absl::StatusOr<std::vector<JobArtifact>> Artifacts(JobId id) override {
    using Artifacts = std::vector<JobArtifact>;
    return Read<Artifacts>([&](SqliteConnection& connection) -> absl::StatusOr<Artifacts> {
      DVREN_RETURN_IF_ERROR(CheckJob(connection, id));
      DVREN_ASSIGN_OR_RETURN(const auto statement,
                             connection.Prepare("SELECT name, sha256, bytes, media_type FROM artifacts"
                                                " WHERE job_id = ? ORDER BY name"));
      statement->Bind(id);
      Artifacts artifacts;
      while (true) {
        DVREN_ASSIGN_OR_RETURN(const bool row, statement->Step());
        if (!row) return artifacts;
        artifacts.push_back({statement->Text(0), statement->Text(1), static_cast<std::uint64_t>(statement->Integer(2)),
                             statement->Text(3)});
      }
    });
  }

  absl::StatusOr<std::vector<JobId>> FinishedBefore(std::int64_t finished_before_ms, int limit) override {
    return Read<std::vector<JobId>>([&](SqliteConnection& connection) -> absl::StatusOr<std::vector<JobId>> {
      DVREN_ASSIGN_OR_RETURN(const auto statement,
                             connection.Prepare("SELECT id FROM jobs WHERE state IN (?, ?, ?) AND finished_ms < ?"
                                                " ORDER BY id LIMIT ?"));
      statement->Bind(Number(JobState::kSucceeded)).Bind(Number(JobState::kFailed)).Bind(Number(JobState::kCancelled));
      statement->Bind(finished_before_ms).Bind(std::int64_t{limit});
      return ReadIds(*statement);
    });
  }

  absl::StatusOr<std::vector<std::string>> Objects() override {
    return ReadTexts("SELECT DISTINCT sha256 FROM artifacts ORDER BY sha256");
  }

  absl::StatusOr<std::vector<std::string>> Check() override {
    std::vector<std::string> findings;
    const auto add = [&](absl::string_view what, const std::vector<std::string>& rows) {
      for (const std::string& row : rows) findings.push_back(absl::StrCat(what, row));
    };
    DVREN_ASSIGN_OR_RETURN(std::vector<std::string> rows, ReadTexts("PRAGMA integrity_check"));
    if (rows != std::vector<std::string>{"ok"}) add(absl::StrCat(path_, ": "), rows);
    for (const auto& [what, sql] : kJobChecks) {
      DVREN_ASSIGN_OR_RETURN(rows, ReadTexts(sql));
      add(absl::StrCat(what, ": jobs/"), rows);
    }
    DVREN_ASSIGN_OR_RETURN(rows, ReadTexts(kMiscounted));
    add("unfinished jobs are not counted right: owner ", rows);
    return findings;
  }

  void Listen(std::function<void(JobId)>) override {}  // one daemon per file: nobody else writes

 private:
  struct Request {
    const std::function<absl::Status(JobTransaction&)>* body;
    absl::Status outcome;
    bool done = false;
    std::condition_variable finished;
  };

  void Run() {
    MutexLock lock(mutex_);
    while (true) {
      while (!stopping_ && waiting_.empty()) wake_.wait(lock.native());
      if (waiting_.empty()) return;
      std::vector<Request*> group;
      while (!waiting_.empty() && group.size() < kMaxGroup) {
        group.push_back(waiting_.front());
        waiting_.pop_front();
      }
      lock.Unlock();
      WriteGroup(group);
      lock.Lock();
      for (Request* request : group) {
        request->done = true;
        request->finished.notify_one();
      }
    }
  }

  // All in one commit. When that fails, none of them is at fault alone: each gets its own.
  void WriteGroup(const std::vector<Request*>& group) {
    // No body has run yet, so this is nobody's fault. Another program that holds the file costs all one wait together.
    if (const absl::Status begun = Begin(); !begun.ok()) {
      for (Request* request : group) request->outcome = begun;
      return;
    }
    if (Commit(group).ok()) return;
    for (Request* request : group) {
      absl::Status status = Begin();
      if (status.ok()) status = Commit({request});
      if (!status.ok()) request->outcome = status;
    }
  }

  absl::Status Begin() { return connection_->Run("BEGIN IMMEDIATE"); }

  // Ends what Begin has begun. An error of a body is its request's outcome and changes nothing for the others; what is
  // returned concerns all.
  absl::Status Commit(const std::vector<Request*>& group) {
    SqliteTransaction transaction(*connection_);
    absl::Status status;
    for (Request* request : group) {
      if (status = connection_->Run("SAVEPOINT one"); !status.ok()) break;
      request->outcome = (*request->body)(transaction);
      if (!connection_->in_transaction()) {  // an error that has ended all of it
        status = request->outcome.ok() ? absl::InternalError("jobs.store: the transaction has ended by itself")
                                       : request->outcome;
        break;
      }
      if (!request->outcome.ok()) status = connection_->Run("ROLLBACK TO one");
      if (status.ok()) status = connection_->Run("RELEASE one");
      if (!status.ok()) break;
    }
    if (status.ok() && transaction.wrote()) {
      Failpoint("before_commit");
      status = connection_->Run("COMMIT");
      if (status.ok()) Failpoint("after_commit");
    }
    if (connection_->in_transaction()) connection_->Run("ROLLBACK").IgnoreError();
    return status;
  }

  template <class T>
  absl::StatusOr<T> Read(const std::function<absl::StatusOr<T>(SqliteConnection&)>& read) {
    std::unique_ptr<SqliteConnection> reader;
    {
      MutexLock lock(readers_mutex_);
      if (!readers_.empty()) {
        reader = std::move(readers_.back());
        readers_.pop_back();
      }
    }
    if (reader == nullptr) {
      DVREN_ASSIGN_OR_RETURN(reader, SqliteConnection::Open(path_, true));
    }
    absl::StatusOr<T> result = read(*reader);
    MutexLock lock(readers_mutex_);
    if (readers_.size() < kMaxReaders) readers_.push_back(std::move(reader));
    return result;
  }

  absl::StatusOr<std::vector<std::string>> ReadTexts(const std::string& sql) {
    using Texts = std::vector<std::string>;
    return Read<Texts>([&](SqliteConnection& connection) -> absl::StatusOr<Texts> {
      DVREN_ASSIGN_OR_RETURN(const auto statement, connection.Prepare(sql));
      Texts texts;
      while (true) {
        DVREN_ASSIGN_OR_RETURN(const bool row, statement->Step());
        if (!row) return texts;
        texts.push_back(statement->Text(0));
      }
    });
  }

  static absl::Status CheckJob(SqliteConnection& connection, JobId id) {
    DVREN_ASSIGN_OR_RETURN(const auto statement, connection.Prepare("SELECT 1 FROM jobs WHERE id = ?"));
    DVREN_ASSIGN_OR_RETURN(const bool row, statement->Bind(id).Step());
    return row ? absl::OkStatus() : NoJob(id);
  }

  const std::string path_;
  const std::unique_ptr<SqliteConnection> connection_;  // the writer's

  Mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request*> waiting_ DVREN_GUARDED_BY(mutex_);
  bool stopping_ DVREN_GUARDED_BY(mutex_) = false;

  Mutex readers_mutex_;
  std::vector<std::unique_ptr<SqliteConnection>> readers_ DVREN_GUARDED_BY(readers_mutex_);

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

absl::StatusOr<std::unique_ptr<JobBackend>> OpenSqliteJobBackend(const std::string& folder) {
  DVREN_RETURN_IF_ERROR(MakeDirectories(folder));
  const std::string path = folder + "/queue.sqlite", created = folder + "/created";
  std::error_code error;
  const bool was_created = std::filesystem::exists(created, error);
  const bool is_there = std::filesystem::exists(path, error);
  if (was_created && !is_there) {
    return absl::DataLossError(absl::StrCat(
        "jobs.store = ", path, ": there was a queue, and its file is gone; restore it from a backup, or remove ",
        folder, " to begin without jobs"));
  }
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection, SqliteConnection::Open(path, false));
  if (was_created) {
    // SQLite takes an empty file for a new database, and finds it sound.
    DVREN_ASSIGN_OR_RETURN(const std::string version, connection->ReadText("PRAGMA user_version"));
    if (version == "0") {
      return absl::DataLossError(absl::StrCat(
          "jobs.store = ", path, ": there was a queue, and its file is empty; restore it, with the files named like",
          " it, from a backup, or remove ", folder, " to begin without jobs"));
    }
  }
  DVREN_ASSIGN_OR_RETURN(const std::string mode, connection->ReadText("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return absl::FailedPreconditionError(absl::StrCat("jobs.store = ", path,
                                                      ": its disk knows no shared memory (journal_mode = ", mode,
                                                      "); choose a local disk for data_dir"));
  }
  DVREN_RETURN_IF_ERROR(connection->Run("PRAGMA synchronous = FULL"));
  if (is_there) {
    DVREN_ASSIGN_OR_RETURN(const std::string check, connection->ReadText("PRAGMA quick_check(1)"));
    if (check != "ok") {
      return absl::DataLossError(absl::StrCat(
          "jobs.store = ", path, ": is damaged (", absl::StrReplaceAll(check, {{"\n", " "}}),
          "); restore it, with the files named like it, from a backup, or remove ", folder, " to begin without jobs"));
    }
  }
  DVREN_RETURN_IF_ERROR(UpdateSqliteJobSchema(*connection, path));
  if (!was_created) {
    DVREN_RETURN_IF_ERROR(WriteFileDurably(created, kCreatedText, nullptr));
    DVREN_RETURN_IF_ERROR(SyncDirectory(folder, nullptr));
  }
  return std::unique_ptr<JobBackend>(std::make_unique<SqliteJobBackend>(path, std::move(connection)));
}

}  // namespace dvren::server
