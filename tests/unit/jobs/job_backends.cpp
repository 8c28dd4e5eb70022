#include "unit/jobs/job_backends.h"

#include <catch2/catch.hpp>

#include "server/jobs/memory_job_backend.h"
#include "server/jobs/sqlite_job_backend.h"
#include "support/temp_folder.h"

namespace dvren::server {

const std::vector<BackendUnderTest>& BackendsUnderTest() {
  static const std::vector<BackendUnderTest> backends{
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
  return backends;
}

}  // namespace dvren::server
