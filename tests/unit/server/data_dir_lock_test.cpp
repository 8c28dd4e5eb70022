#include "server/app/data_dir_lock.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

namespace dvren::server {
namespace {

struct TemporaryFolder {
  TemporaryFolder() { REQUIRE(mkdtemp(path) != nullptr); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  char path[32] = "/tmp/dvrend_lock_XXXXXX";
};

TEST_CASE("A data directory is made private, and held once at a time") {
  const TemporaryFolder folder;
  const std::string data_dir = std::string(folder.path) + "/a/b";
  {
    const absl::StatusOr<DataDirLock> held = DataDirLock::Acquire(data_dir);
    REQUIRE(held.ok());
    struct stat info {};
    REQUIRE(stat(data_dir.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
    const absl::StatusOr<DataDirLock> second = DataDirLock::Acquire(data_dir);
    REQUIRE_FALSE(second.ok());
    CHECK(second.status().code() == absl::StatusCode::kUnavailable);
    const std::string message(second.status().message());
    CHECK(message.find(data_dir) != std::string::npos);
    CHECK(message.find("pid " + std::to_string(getpid()) + ")") != std::string::npos);
  }
  CHECK(DataDirLock::Acquire(data_dir).ok());
}

TEST_CASE("A data directory that is a file is refused by name") {
  const absl::StatusOr<DataDirLock> held = DataDirLock::Acquire("/dev/null/x");
  REQUIRE_FALSE(held.ok());
  CHECK(std::string(held.status().message()).find("data_dir = /dev/null/x") == 0);
}

}  // namespace
}  // namespace dvren::server
