// A process that dies while it writes to a job store, and what is there afterwards.
#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/jobs/job_store.h"
#include "server/jobs/open_job_backend.h"
#include "support/temp_folder.h"
#include "unit/jobs/job_backends.h"
#include "unit/jobs/postgres_server.h"

namespace dvren::server {
namespace {

struct Crash {
  std::set<std::string> acknowledged;
  bool killed = false;
};

Crash RunCrasher(const std::string& queue, const std::string& failpoint, int count) {
  const std::string command = absl::StrCat("DVREN_FAILPOINT='", failpoint, "' exec ", DVREN_BIN_DIR,
                                           "/job_store_crasher '", queue, "' ", count);
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer{};
  std::string text;
  while (const std::size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), size);
  const int status = pclose(pipe);
  Crash crash;
  crash.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) crash.acknowledged.insert(line);
  return crash;
}

void CheckCrashes(const std::string& queue) {
  constexpr int kJobs = 400;
  std::set<std::string> acknowledged;
  for (const char* place : {"before_commit", "after_commit"}) {
    for (const int time : {1, 2, 17, 60}) {
      CAPTURE(place, time);
      const Crash crash = RunCrasher(queue, absl::StrCat(place, ":", time), kJobs);
      CHECK(crash.killed);
      acknowledged.insert(crash.acknowledged.begin(), crash.acknowledged.end());
      auto backend = OpenJobBackend(queue);
      INFO(backend.status());
      REQUIRE(backend.ok());
      JobStore store(*std::move(backend), [] { return std::int64_t{1'000'000'000'000}; });
      JobQuery query;
      query.limit = 10 * kJobs;
      const auto jobs = store.List(query);
      REQUIRE(jobs.ok());
      std::set<std::string> there;
      for (const Job& job : *jobs) {
        CHECK(there.insert(job.request_id).second);  // once each, however often it was submitted
        CHECK(job.last_event == 1);
      }
      for (const std::string& id : acknowledged) CHECK(there.count(id) == 1);
      CHECK(store.Check()->empty());
    }
  }
  // Without a failpoint it gets through, and finds what the ones before had submitted.
  const Crash whole = RunCrasher(queue, "", kJobs);
  CHECK_FALSE(whole.killed);
  CHECK(whole.acknowledged.size() == kJobs);
}

TEST_CASE("A SQLite queue has each acknowledged job once, wherever the process died", "[job_crash]") {
#ifndef DVREN_FAILPOINTS
  WARN("SKIPPED: built without DVREN_FAILPOINTS");
#else
  const test::TempFolder folder;
  CheckCrashes(folder.path() + "/jobs");
#endif
}

TEST_CASE("A PostgreSQL queue has each acknowledged job once, wherever the process died", "[job_crash]") {
#ifndef DVREN_FAILPOINTS
  WARN("SKIPPED: built without DVREN_FAILPOINTS");
#else
  const std::unique_ptr<test::PostgresServer> server = test::PostgresServer::Start();
  if (server != nullptr) CheckCrashes(server->NewDatabase());
#endif
}

}  // namespace
}  // namespace dvren::server
