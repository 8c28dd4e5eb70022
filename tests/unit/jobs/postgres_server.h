// A PostgreSQL server for tests, from the installed package: on a Unix socket in a temporary folder, gone with the
// process. PostgreSQL refuses root: as root it runs as the user `postgres`.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "support/temp_folder.h"

namespace dvren::test {

class PostgresServer {
 public:
  // Null when there is no PostgreSQL, and says so on stdout; throws when it does not start.
  static std::unique_ptr<PostgresServer> Start();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // Of a new, empty database.
  [[nodiscard]] std::string NewDatabase();
  // As by a power cut, and back.
  void Crash();
  void Restart();

 private:
  PostgresServer() = default;
  [[nodiscard]] std::string Url(const std::string& database) const;
  [[nodiscard]] pid_t Spawn(const std::string& program, const std::string& arguments) const;
  void RunServer();

  TempFolder folder_;
  std::string programs_;  // the folder of initdb and postgres
  uid_t user_ = 0;
  gid_t group_ = 0;
  pid_t server_ = -1;
  int databases_ = 0;
};

}  // namespace dvren::test
