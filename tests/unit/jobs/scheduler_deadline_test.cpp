#include "unit/jobs/scheduler_fixture.h"

#include <thread>

namespace dvren::server {
namespace {

using std::chrono::seconds;

Scheduler::Options With(const std::shared_ptr<ManualTime>& time) {
  Scheduler::Options options;
  options.time = time;
  return options;
}

WorkOptions Until(Clock::time_point deadline) {
  WorkOptions options;
  options.deadline = deadline;
  return options;
}

TEST_CASE("Work whose deadline has passed is refused") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler scheduler(OneCpu(), With(time));
  const auto id = scheduler.Submit(InstantWork(), Until(time->Now()));
  REQUIRE_FALSE(id.ok());
  CHECK(id.status().code() == absl::StatusCode::kDeadlineExceeded);
}

TEST_CASE("A deadline that passes in the queue aborts the work although the device is busy") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler scheduler(OneCpu(), With(time));
  Roadblock roadblock(scheduler);
  const auto work = InstantWork();
  REQUIRE(scheduler.Submit(work, Until(time->Now() + seconds(1))).ok());
  time->Advance(seconds(2));
  CHECK(work->Wait().code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(work->slices() == 0);
}

TEST_CASE("A deadline that passes in a slice aborts the work at the end of that slice") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler scheduler(OneCpu(), With(time));
  const auto work = MakeWork([&](Stream&) {
    time->Advance(seconds(2));
    return SliceResult::kMore;
  });
  REQUIRE(scheduler.Submit(work, Until(time->Now() + seconds(3))).ok());
  CHECK(work->Wait().code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(work->slices() == 2);
}

TEST_CASE("A deadline that passes in the last slice does not undo the work") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler scheduler(OneCpu(), With(time));
  const auto work = MakeWork([&](Stream&) {
    time->Advance(seconds(2));
    return SliceResult::kDone;
  });
  REQUIRE(scheduler.Submit(work, Until(time->Now() + seconds(1))).ok());
  CHECK(work->Wait().ok());
}

TEST_CASE("A deadline that passes while work is parked aborts it") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler scheduler(OneCpu(), With(time));
  const auto work = MakeWork([](Stream&) { return SliceResult::kParked; });
  REQUIRE(scheduler.Submit(work, Until(time->Now() + seconds(1))).ok());
  while (scheduler.Status().front().parked == 0) std::this_thread::yield();
  time->Advance(seconds(2));
  CHECK(work->Wait().code() == absl::StatusCode::kDeadlineExceeded);
}

TEST_CASE("An earlier deadline that comes later is served by the timer in time") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler scheduler(OneCpu(), With(time));
  Roadblock roadblock(scheduler);
  const auto late = InstantWork(), early = InstantWork();
  REQUIRE(scheduler.Submit(late, Until(time->Now() + seconds(100))).ok());
  REQUIRE(scheduler.Submit(early, Until(time->Now() + seconds(1))).ok());
  time->Advance(seconds(2));
  CHECK(early->Wait().code() == absl::StatusCode::kDeadlineExceeded);
  CHECK_FALSE(late->ended());
  roadblock.Lift();
  CHECK(late->Wait().ok());
}

TEST_CASE("The real clock ends work at its deadline too") {
  Scheduler scheduler(OneCpu(), {});
  const auto work = MakeWork([](Stream&) { return SliceResult::kParked; });
  REQUIRE(scheduler.Submit(work, Until(Clock::now() + std::chrono::milliseconds(50))).ok());
  CHECK(work->Wait().code() == absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace dvren::server
