// PostgresConnection: one connection to a PostgreSQL server, with its prepared statements, and the server's errors as
// statuses. For one thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dvren/core/status.h"

struct pg_conn;
struct pg_result;

namespace dvren::server {

// Values for $1, $2, … of a statement.
class PostgresParameters {
 public:
  PostgresParameters& Bind(std::int64_t value);
  PostgresParameters& Bind(bool value);
  PostgresParameters& Bind(std::string_view bytes);  // text or bytes; must live until the statement has run

 private:
  friend class PostgresConnection;
  struct Value {
    const char* data;
    int size;
    int binary;
  };
  std::deque<std::string> numbers_;  // whose text the values point into
  std::vector<Value> values_;
};

// Rows and columns from 0.
class PostgresRows {
 public:
  explicit PostgresRows(pg_result* result) : result_(result, Deleter()) {}
  [[nodiscard]] int size() const;
  [[nodiscard]] bool IsNull(int row, int column) const;
  [[nodiscard]] std::int64_t Integer(int row, int column) const;  // or boolean: 0, 1
  [[nodiscard]] std::string Text(int row, int column) const;      // or bytes

 private:
  struct Deleter {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Deleter> result_;
};

struct PostgresNotification {
  std::string channel, payload;
};

class PostgresConnection {
 public:
  // `url`: postgresql://user@host:port/database?option=value. Messages show host, port and database of it alone.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PostgresConnection>> Open(const std::string& url);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  // One statement, prepared once. ABORTED: others were in its way, the transaction should be tried again;
  // UNAVAILABLE: the server is busy or away.
  [[nodiscard]] absl::StatusOr<PostgresRows> Query(const std::string& sql,
                                                   const PostgresParameters& parameters = PostgresParameters());
  // Statements without parameters or rows, one or many.
  [[nodiscard]] absl::Status Run(const std::string& sql);
  [[nodiscard]] absl::StatusOr<std::vector<PostgresNotification>> Notifications();

  [[nodiscard]] bool broken() const;          // nothing works on it any more
  [[nodiscard]] bool in_transaction() const;  // that can be committed
  [[nodiscard]] bool idle() const;            // in no transaction
  [[nodiscard]] int socket() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& key() const { return key_; }  // that no other connection ever has

 private:
  PostgresConnection(pg_conn* connection, std::string name);
  [[nodiscard]] absl::Status ErrorOf(const pg_result* result) const;
  pg_conn* const connection_;
  const std::string name_, key_;
  std::map<std::string, std::string> prepared_;  // names by text
};

}  // namespace dvren::server
