#include "server/jobs/shared_folder.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>
#include <vector>

#include "server/jobs/open_job_backend.h"
#include "support/temp_folder.h"
#include "unit/jobs/postgres_server.h"

namespace dvren::server {
namespace {

using absl::StatusCode;

std::string NewQueue(test::PostgresServer& server) {
  const std::string url = server.NewDatabase();
  REQUIRE(OpenJobBackend(url).ok());
  return url;
}

TEST_CASE("A queue and its folder of objects belong together", "[postgres_jobs]") {
  const auto server = test::PostgresServer::Start();
  if (server == nullptr) return;
  const test::TempFolder folder;
  const std::string ours = NewQueue(*server), other = NewQueue(*server);
  std::atomic<int> errors{0};
  std::vector<std::thread> daemons;
  for (int i = 0; i < 4; ++i) {
    daemons.emplace_back([&] { errors += ClaimSharedFolder(ours, folder / "objects").ok() ? 0 : 1; });
  }
  for (std::thread& daemon : daemons) daemon.join();
  CHECK(errors == 0);
  const absl::Status of_another = ClaimSharedFolder(other, folder / "objects").status();
  CHECK(of_another.code() == StatusCode::kFailedPrecondition);
  CHECK(std::string(of_another.message()).find("belongs to another queue") != std::string::npos);
  // A mount point with nothing mounted.
  const absl::Status empty = ClaimSharedFolder(ours, folder / "elsewhere").status();
  CHECK(empty.code() == StatusCode::kFailedPrecondition);
  CHECK(std::string(empty.message()).find("is not mounted") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "elsewhere"));
  CHECK(ClaimSharedFolder(other, folder / "elsewhere").ok());
}

}  // namespace
}  // namespace dvren::server
