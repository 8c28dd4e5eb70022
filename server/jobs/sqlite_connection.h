// SqliteConnection: one connection to a database file, with its prepared statements, and SQLite's errors as statuses.
// For one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "dvren/core/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dvren::server {

// A statement being run: bind from 1, step, read columns from 0. Resets when it goes.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* database, sqlite3_stmt* statement, const std::string& path)
      : database_(database), statement_(statement), path_(path) {}
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  SqliteStatement& Bind(std::int64_t value);
  SqliteStatement& Bind(std::string_view text);  // must live until the statement goes
  SqliteStatement& BindBytes(std::string_view bytes);
  // Whether there is a row.
  [[nodiscard]] absl::StatusOr<bool> Step();
  // For statements that give no rows.
  [[nodiscard]] absl::Status Run();
  [[nodiscard]] std::int64_t Integer(int column) const;
  [[nodiscard]] std::string Text(int column) const;  // or bytes

 private:
  sqlite3* const database_;
  sqlite3_stmt* const statement_;
  const std::string& path_;
  int next_ = 1;
};

class SqliteConnection {
 public:
  // Read-only ones need a file that is there.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path, bool read_only);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Prepared once. One use of the same text at a time.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<SqliteStatement>> Prepare(const std::string& sql);
  // Statements without parameters or rows.
  [[nodiscard]] absl::Status Run(const std::string& sql);
  [[nodiscard]] absl::StatusOr<std::string> ReadText(const std::string& sql);  // of the first row's first column
  [[nodiscard]] std::int64_t last_insert_id() const;
  [[nodiscard]] int changes() const;
  // Whether a transaction is under way: some errors end it.
  [[nodiscard]] bool in_transaction() const;

 private:
  SqliteConnection(sqlite3* database, std::string path) : database_(database), path_(std::move(path)) {}
  sqlite3* const database_;
  const std::string path_;
  std::map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace dvren::server
