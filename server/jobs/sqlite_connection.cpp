#include "server/jobs/sqlite_connection.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

constexpr int kBusyMs = 5000;

absl::Status ErrorOf(sqlite3* database, int code, const std::string& path) {
  const std::string what = database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database);
  const std::string text = absl::StrCat("jobs.store = ", path, ": ", what);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(text, "; free space on its disk, and try again"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(absl::StrCat(text, "; another program holds it: close that, and try again"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(
          text, "; restore it, with the files named like it, from a backup, or move them away to begin without jobs"));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return absl::FailedPreconditionError(absl::StrCat(text, "; let this user write there"));
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(text);
    case SQLITE_IOERR:
      return absl::UnavailableError(absl::StrCat(text, "; look at the disk, in the system's log"));
    default:
      return absl::InternalError(text);
  }
}

}  // namespace

SqliteStatement::~SqliteStatement() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

SqliteStatement& SqliteStatement::Bind(std::int64_t value) {
  sqlite3_bind_int64(statement_, next_++, value);
  return *this;
}

SqliteStatement& SqliteStatement::Bind(std::string_view text) {
  sqlite3_bind_text64(statement_, next_++, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
  return *this;
}

SqliteStatement& SqliteStatement::BindBytes(std::string_view bytes) {
  if (bytes.empty()) {
    sqlite3_bind_zeroblob(statement_, next_++, 0);
  } else {
    sqlite3_bind_blob64(statement_, next_++, bytes.data(), bytes.size(), SQLITE_STATIC);
  }
  return *this;
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ErrorOf(database_, sqlite3_extended_errcode(database_), path_);
}

absl::Status SqliteStatement::Run() {
  DVREN_ASSIGN_OR_RETURN(const bool row, Step());
  if (row) return absl::InternalError(absl::StrCat("jobs.store = ", path_, ": a row where none was asked for"));
  return absl::OkStatus();
}

std::int64_t SqliteStatement::Integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string SqliteStatement::Text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(size));
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path, bool read_only) {
  sqlite3* database = nullptr;
  const int flags =
      (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  if (code != SQLITE_OK) {
    const absl::Status status = ErrorOf(database, code, path);
    sqlite3_close(database);
    return status;
  }
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_timeout(database, kBusyMs);
  return std::unique_ptr<SqliteConnection>(new SqliteConnection(database, path));
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

absl::StatusOr<std::unique_ptr<SqliteStatement>> SqliteConnection::Prepare(const std::string& sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    const int code = sqlite3_prepare_v3(database_, sql.c_str(), static_cast<int>(sql.size()) + 1,
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
      statements_.erase(sql);
      return ErrorOf(database_, sqlite3_extended_errcode(database_), path_);
    }
  }
  return std::make_unique<SqliteStatement>(database_, statement, path_);
}

absl::Status SqliteConnection::Run(const std::string& sql) {
  const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ErrorOf(database_, sqlite3_extended_errcode(database_), path_);
}

absl::StatusOr<std::string> SqliteConnection::ReadText(const std::string& sql) {
  DVREN_ASSIGN_OR_RETURN(const auto statement, Prepare(sql));
  DVREN_ASSIGN_OR_RETURN(const bool row, statement->Step());
  return row ? statement->Text(0) : std::string();
}

std::int64_t SqliteConnection::last_insert_id() const {
  return sqlite3_last_insert_rowid(database_);
}

int SqliteConnection::changes() const {
  return sqlite3_changes(database_);
}

bool SqliteConnection::in_transaction() const {
  return sqlite3_get_autocommit(database_) == 0;
}

}  // namespace dvren::server
