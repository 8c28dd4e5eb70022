#include "server/app/store_check.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

#include "server/app/data_dir_lock.h"
#include "server/app/exit_code.h"
#include "server/app/job_storage.h"
#include "server/jobs/job_store.h"

namespace dvren::server {
namespace {

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Findings so far.
absl::StatusOr<int> Check(const Config& config) {
  DVREN_ASSIGN_OR_RETURN(const DataDirLock held, DataDirLock::Acquire(config.data_dir));
  DVREN_ASSIGN_OR_RETURN(JobStorage storage, OpenJobStorage(config));
  const ObjectStore& objects = storage.objects;
  JobStore jobs(std::move(storage.backend), NowMs);
  DVREN_ASSIGN_OR_RETURN(const std::vector<std::string> findings, jobs.Check());
  int found = 0;
  for (const std::string& finding : findings) {
    std::printf("queue: %s\n", finding.c_str());
    ++found;
  }
  DVREN_ASSIGN_OR_RETURN(const std::vector<std::string> wanted, jobs.Objects());
  for (const std::string& sha256 : wanted) {
    const absl::Status sound = objects.Verify(sha256);
    if (sound.ok()) continue;
    std::printf("artifact %s: %s\n", sha256.c_str(), std::string(sound.message()).c_str());
    ++found;
  }
  std::printf("%zu artifacts, %d findings%s\n", wanted.size(), found,
              found == 0
                  ? ""
                  : "; restore the queue and its files from a backup, or submit the jobs again whose files are gone");
  return found;
}

}  // namespace

int CheckStore(const Config& config) {
  const absl::StatusOr<int> found = Check(config);
  if (found.ok()) return *found == 0 ? 0 : 1;
  std::fprintf(stderr, "dvrend: %s\n", std::string(found.status().message()).c_str());
  return ExitCodeOf(found.status().code());
}

}  // namespace dvren::server
