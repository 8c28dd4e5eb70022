#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "../bench.h"
#include "benches.h"

namespace dvren::bench {
namespace {

void Run(sqlite3* database, const char* sql) {
  char* message = nullptr;
  if (sqlite3_exec(database, sql, nullptr, nullptr, &message) == SQLITE_OK) return;
  std::fprintf(stderr, "dvren_bench_service: sqlite: %s\n", message);
  std::exit(1);
}

}  // namespace

int BareSqlite(const std::string& folder, int group, double seconds) {
  sqlite3* database = nullptr;
  if (sqlite3_open((folder + "/bare.db").c_str(), &database) != SQLITE_OK) {
    std::fprintf(stderr, "dvren_bench_service: folder = %s: %s\n", folder.c_str(), sqlite3_errmsg(database));
    return 1;
  }
  Run(database, "PRAGMA journal_mode = WAL");
  Run(database, "PRAGMA synchronous = FULL");
  Run(database,
      "CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, owner TEXT, request_id TEXT, spec BLOB, state INTEGER);"
      "CREATE UNIQUE INDEX IF NOT EXISTS by_request ON jobs (owner, request_id);"
      "CREATE TABLE IF NOT EXISTS events (job INTEGER, number INTEGER, data TEXT, PRIMARY KEY (job, number)) "
      "WITHOUT ROWID");
  sqlite3_stmt *job = nullptr, *event = nullptr;
  sqlite3_prepare_v2(database, "INSERT INTO jobs (owner, request_id, spec, state) VALUES ('default', ?, ?, 1)", -1,
                     &job, nullptr);
  sqlite3_prepare_v2(database, "INSERT INTO events VALUES (?, 1, 'queued')", -1, &event, nullptr);
  const std::string spec(200, 'x');  // about a render's
  const std::string run = std::to_string(std::random_device()());
  const double begin = WallSeconds();
  std::int64_t rows = 0;
  while (WallSeconds() - begin < seconds) {
    Run(database, "BEGIN IMMEDIATE");
    for (int i = 0; i < group; ++i) {
      const std::string request = run + "-" + std::to_string(rows++);
      sqlite3_bind_text(job, 1, request.c_str(), -1, SQLITE_TRANSIENT);
      sqlite3_bind_blob(job, 2, spec.data(), static_cast<int>(spec.size()), SQLITE_STATIC);
      bool done = sqlite3_step(job) == SQLITE_DONE;
      sqlite3_bind_int64(event, 1, sqlite3_last_insert_rowid(database));
      done = sqlite3_step(event) == SQLITE_DONE && done;
      if (!done) {
        std::fprintf(stderr, "dvren_bench_service: sqlite: %s\n", sqlite3_errmsg(database));
        return 1;
      }
      sqlite3_reset(job);
      sqlite3_reset(event);
    }
    Run(database, "COMMIT");
  }
  const double rate = static_cast<double>(rows) / (WallSeconds() - begin);
  sqlite3_finalize(job);
  sqlite3_finalize(event);
  sqlite3_close(database);
  const nlohmann::json line = {{"bench", "bare_sqlite"}, {"group", group}, {"rate", rate}};
  std::printf("%s\n", line.dump().c_str());
  return 0;
}

}  // namespace dvren::bench
