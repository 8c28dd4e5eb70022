#include "server/jobs/postgres_connection.h"

#include <libpq-fe.h>

#include <array>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace dvren::server {
namespace {

// Those before `dbname`, which is the URL, it may set otherwise.
constexpr std::array<const char*, 6> kKeys{"connect_timeout", "tcp_user_timeout", "application_name",
                                           "dbname",          "client_encoding",  nullptr};

absl::string_view Line(const char* message) {
  return absl::StripTrailingAsciiWhitespace(message == nullptr ? "" : message);
}

// What a URL may be called in messages and logs: without its password.
std::string NameOf(const PQconninfoOption* options) {
  std::string host, port, database;
  for (const PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr; ++option) {
    const std::string_view key = option->keyword;
    const char* const value = option->val == nullptr ? "" : option->val;
    if (key == "host") host = value;
    if (key == "port") port = value;
    if (key == "dbname") database = value;
  }
  return absl::StrCat("postgresql://", host, port.empty() ? "" : ":", port, "/", database);
}

// By the first two of SQLSTATE's five letters, and by all of them where they say more.
absl::Status StatusOfState(absl::string_view state, const std::string& text) {
  if (state == "40001" || state == "40P01" || state == "23505") return absl::AbortedError(text);
  if (state == "53100") return absl::ResourceExhaustedError(absl::StrCat(text, "; free space on the server's disk"));
  if (state == "53200") return absl::ResourceExhaustedError(absl::StrCat(text, "; the server has too little memory"));
  if (state == "53300") {
    return absl::UnavailableError(absl::StrCat(text, "; raise the server's max_connections, or run fewer daemons"));
  }
  if (state == "25006") {
    return absl::FailedPreconditionError(absl::StrCat(text, "; this server only reads: name the primary"));
  }
  if (state == "42501") {
    return absl::FailedPreconditionError(absl::StrCat(text, "; let this user create and change the schema dvren"));
  }
  if (state == "22021" || state == "22P05") {
    return absl::InvalidArgumentError(absl::StrCat(text, "; names and titles must be UTF-8 without NUL"));
  }
  if (state == "55P03" || state == "57014") {
    return absl::UnavailableError(absl::StrCat(text, "; another program holds what it needs: try again"));
  }
  const absl::string_view kind = state.substr(0, 2);
  if (kind == "08" || kind == "53" || kind == "57") return absl::UnavailableError(absl::StrCat(text, "; try again"));
  if (kind == "58") return absl::UnavailableError(absl::StrCat(text, "; look at the server's disk, in its log"));
  if (kind == "XX" && (state == "XX001" || state == "XX002")) {
    return absl::DataLossError(absl::StrCat(text, "; restore the database from a backup"));
  }
  return absl::InternalError(absl::StrCat(text, " (SQLSTATE ", state, ")"));
}

// 128 bits.
std::string RandomKey() {
  std::random_device random;
  std::string key;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&key, absl::Hex(random(), absl::kZeroPad8));
  return key;
}

}  // namespace

PostgresParameters& PostgresParameters::Bind(std::int64_t value) {
  numbers_.push_back(std::to_string(value));
  values_.push_back({numbers_.back().c_str(), 0, 0});
  return *this;
}

PostgresParameters& PostgresParameters::Bind(bool value) {
  values_.push_back({value ? "1" : "0", 0, 0});
  return *this;
}

PostgresParameters& PostgresParameters::Bind(std::string_view bytes) {
  // A null pointer would be NULL.
  values_.push_back({bytes.data() == nullptr ? "" : bytes.data(), static_cast<int>(bytes.size()), 1});
  return *this;
}

void PostgresRows::Deleter::operator()(pg_result* result) const {
  PQclear(result);
}

int PostgresRows::size() const {
  return PQntuples(result_.get());
}

bool PostgresRows::IsNull(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

std::int64_t PostgresRows::Integer(int row, int column) const {
  // Big-endian, of 1, 2, 4 or 8 bytes.
  const auto* bytes = reinterpret_cast<const unsigned char*>(PQgetvalue(result_.get(), row, column));
  const int size = PQgetlength(result_.get(), row, column);
  std::uint64_t value = size > 1 && (bytes[0] & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
  for (int i = 0; i < size; ++i) value = value << 8U | bytes[i];
  return static_cast<std::int64_t>(value);
}

std::string PostgresRows::Text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

absl::StatusOr<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(const std::string& url) {
  char* parse_error = nullptr;
  PQconninfoOption* const options = PQconninfoParse(url.c_str(), &parse_error);
  if (options == nullptr) {
    // libpq's own message may repeat the URL, and its password.
    PQfreemem(parse_error);
    return absl::InvalidArgumentError(
        "jobs.store: is no PostgreSQL URL; write postgresql://user@host:port/database, with % escapes");
  }
  std::string name = NameOf(options);
  PQconninfoFree(options);

  const std::array<const char*, kKeys.size()> values{"5", "10000", "dvrend", url.c_str(), "UTF8", nullptr};
  PGconn* const raw = PQconnectdbParams(kKeys.data(), values.data(), 1);
  if (raw == nullptr) return absl::ResourceExhaustedError(absl::StrCat("jobs.store = ", name, ": out of memory"));
  std::unique_ptr<PostgresConnection> connection(new PostgresConnection(raw, std::move(name)));
  if (PQstatus(raw) != CONNECTION_OK) {
    return absl::UnavailableError(absl::StrCat("jobs.store = ", connection->name_, ": ", Line(PQerrorMessage(raw)),
                                               "; see that the server runs and lets this user in"));
  }
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);
  // What holds a lock too long must not hold up everybody. What the server acknowledges must be on its disk.
  DVREN_RETURN_IF_ERROR(connection->Run(R"(
    SET search_path = dvren;
    SET lock_timeout = '10s';
    SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '60s';
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off')"));
  return connection;
}

PostgresConnection::PostgresConnection(pg_conn* connection, std::string name)
    : connection_(connection), name_(std::move(name)), key_(RandomKey()) {}

PostgresConnection::~PostgresConnection() {
  PQfinish(connection_);
}

absl::Status PostgresConnection::ErrorOf(const pg_result* result) const {
  const char* const state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* const primary = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string text = absl::StrCat("jobs.store = ", name_, ": ",
                                        primary == nullptr ? Line(PQerrorMessage(connection_)) : Line(primary));
  if (broken() || state == nullptr) {
    return absl::UnavailableError(absl::StrCat(text, "; the server has gone away: try again"));
  }
  return StatusOfState(state, text);
}

absl::StatusOr<PostgresRows> PostgresConnection::Query(const std::string& sql, const PostgresParameters& parameters) {
  const int count = static_cast<int>(parameters.values_.size());
  auto known = prepared_.find(sql);
  if (known == prepared_.end()) {
    const std::string name = absl::StrCat("s", prepared_.size());
    pg_result* const result = PQprepare(connection_, name.c_str(), sql.c_str(), count, nullptr);
    const PostgresRows owned(result);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) return ErrorOf(result);
    known = prepared_.emplace(sql, name).first;
  }
  std::vector<const char*> data;
  std::vector<int> sizes, binary;
  for (const PostgresParameters::Value& value : parameters.values_) {
    data.push_back(value.data);
    sizes.push_back(value.size);
    binary.push_back(value.binary);
  }
  constexpr int kBinaryRows = 1;
  pg_result* const result =
      PQexecPrepared(connection_, known->second.c_str(), count, data.data(), sizes.data(), binary.data(), kBinaryRows);
  PostgresRows rows(result);
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return ErrorOf(result);
  return rows;
}

absl::Status PostgresConnection::Run(const std::string& sql) {
  pg_result* const result = PQexec(connection_, sql.c_str());
  const PostgresRows owned(result);
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ? absl::OkStatus() : ErrorOf(result);
}

absl::StatusOr<std::vector<PostgresNotification>> PostgresConnection::Notifications() {
  if (PQconsumeInput(connection_) == 0) return ErrorOf(nullptr);
  std::vector<PostgresNotification> notifications;
  while (PGnotify* const one = PQnotifies(connection_)) {
    notifications.push_back({one->relname, one->extra});
    PQfreemem(one);
  }
  return notifications;
}

bool PostgresConnection::broken() const {
  return PQstatus(connection_) != CONNECTION_OK;
}

bool PostgresConnection::in_transaction() const {
  return PQtransactionStatus(connection_) == PQTRANS_INTRANS;
}

bool PostgresConnection::idle() const {
  return PQtransactionStatus(connection_) == PQTRANS_IDLE;
}

int PostgresConnection::socket() const {
  return PQsocket(connection_);
}

}  // namespace dvren::server
