#include <thread>

#include "unit/jobs/scheduler_fixture.h"

namespace dvren::server {
namespace {

TEST_CASE("Drain refuses new work and lets admitted work finish within the grace") {
  Scheduler scheduler(OneCpu(), {});
  Journal journal;
  const auto work = journal.Work("w", 20);
  REQUIRE(scheduler.Submit(work, OfClass(WorkClass::kBatch)).ok());
  scheduler.Drain(std::chrono::hours(1));
  CHECK(work->ended());
  CHECK(work->Wait().ok());
  CHECK(work->slices() == 20);
  const auto id = scheduler.Submit(InstantWork(), {});
  REQUIRE_FALSE(id.ok());
  CHECK(id.status().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("Drain aborts what is left when the grace is over") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler::Options options;
  options.time = time;
  Scheduler scheduler(OneCpu(), options);
  const auto parked = MakeWork([](Stream&) { return SliceResult::kParked; });
  REQUIRE(scheduler.Submit(parked, {}).ok());
  while (scheduler.Status().front().parked == 0) std::this_thread::yield();
  const auto endless = MakeWork([&](Stream&) {
    time->Advance(std::chrono::seconds(1));
    return SliceResult::kMore;
  });
  REQUIRE(scheduler.Submit(endless, {}).ok());
  scheduler.Drain(std::chrono::seconds(10));
  CHECK(parked->ended());
  CHECK(endless->ended());
  CHECK(parked->Wait().code() == absl::StatusCode::kUnavailable);
  CHECK(endless->Wait().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("Drain with no grace aborts queued work and waits for the running slice") {
  Scheduler scheduler(OneCpu(), {});
  Gate running, release;
  const auto first = MakeWork([&](Stream&) {
    running.Open();
    release.Wait();
    return SliceResult::kMore;
  });
  const auto second = InstantWork();
  REQUIRE(scheduler.Submit(first, {}).ok());
  running.Wait();
  REQUIRE(scheduler.Submit(second, {}).ok());
  std::thread drain([&] { scheduler.Drain(std::chrono::milliseconds(0)); });
  CHECK(second->Wait().code() == absl::StatusCode::kUnavailable);
  CHECK_FALSE(first->ended());
  release.Open();
  drain.join();
  CHECK(first->ended());
  CHECK(first->Wait().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("Parked work may still be unparked and finish during a drain") {
  Scheduler scheduler(OneCpu(), {});
  int slices = 0;
  const auto work = MakeWork([&](Stream&) { return ++slices == 1 ? SliceResult::kParked : SliceResult::kDone; });
  const auto id = scheduler.Submit(work, {});
  REQUIRE(id.ok());
  while (scheduler.Status().front().parked == 0) std::this_thread::yield();
  std::thread drain([&] { scheduler.Drain(std::chrono::hours(1)); });
  scheduler.Unpark(*id);
  drain.join();
  CHECK(work->Wait().ok());
}

TEST_CASE("Destroying a scheduler aborts its work") {
  const auto work = MakeWork([](Stream&) { return SliceResult::kMore; });
  {
    Scheduler scheduler(OneCpu(), {});
    REQUIRE(scheduler.Submit(work, {}).ok());
  }
  CHECK(work->ended());
  CHECK(work->Wait().code() == absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace dvren::server
