#include "server/jobs/job.h"

#include <catch2/catch.hpp>
#include <set>
#include <utility>

namespace dvren::server {
namespace {

constexpr JobState kAll[] = {JobState::kQueued,    JobState::kRunning, JobState::kPaused,
                             JobState::kSucceeded, JobState::kFailed,  JobState::kCancelled};

TEST_CASE("A job goes from state to state only where the picture in job.h has an arrow") {
  const std::set<std::pair<std::string, std::string>> arrows{
      {"queued", "running"},   {"queued", "paused"},     {"queued", "cancelled"}, {"paused", "queued"},
      {"paused", "cancelled"}, {"running", "succeeded"}, {"running", "failed"},   {"running", "cancelled"},
      {"running", "queued"},   {"running", "paused"},    {"failed", "queued"},    {"cancelled", "queued"},
  };
  for (const JobState from : kAll) {
    for (const JobState to : kAll) {
      CAPTURE(JobStateName(from), JobStateName(to));
      CHECK(MayGo(from, to) == (arrows.count({JobStateName(from), JobStateName(to)}) == 1));
    }
  }
}

TEST_CASE("A job that is finished has succeeded, failed or was cancelled") {
  const std::set<std::string> finished{"succeeded", "failed", "cancelled"};
  for (const JobState state : kAll) CHECK(IsFinished(state) == (finished.count(JobStateName(state)) == 1));
}

}  // namespace
}  // namespace dvren::server
