#include "unit/jobs/job_backends.h"

#include <catch2/catch.hpp>

#include "server/jobs/memory_job_backend.h"
#include "server/jobs/postgres_job_backend.h"
#include "server/jobs/sqlite_job_backend.h"
#include "support/temp_folder.h"
#include "unit/jobs/postgres_server.h"

namespace dvren::server {

namespace {

std::vector<BackendUnderTest> MakeBackends() {
  std::vector<BackendUnderTest> backends{
      {"memory",
       [] {
         return BackendUnderTest::Queue{nullptr, [] { return MakeMemoryJobBackend(); }};
       },
       false},
      {"sqlite",
       [] {
         const auto folder = std::make_shared<test::TempFolder>();
         return BackendUnderTest::Queue{folder, [folder] {
                                          auto opened = OpenSqliteJobBackend(folder->path() + "/jobs");
                                          INFO(opened.status());
                                          REQUIRE(opened.ok());
                                          return *std::move(opened);
                                        }};
       },
       true},
  };
  // One server for the whole process; a database for each queue.
  if (const std::shared_ptr<test::PostgresServer> server = test::PostgresServer::Start()) {
    backends.push_back({"postgresql",
                        [server] {
                          const std::string url = server->NewDatabase();
                          return BackendUnderTest::Queue{server, [url] {
                                                           auto opened = OpenPostgresJobBackend(url);
                                                           INFO(opened.status());
                                                           REQUIRE(opened.ok());
                                                           return *std::move(opened);
                                                         }};
                        },
                        true});
  }
  return backends;
}

}  // namespace

const std::vector<BackendUnderTest>& BackendsUnderTest() {
  static const std::vector<BackendUnderTest> backends = MakeBackends();
  return backends;
}

}  // namespace dvren::server
