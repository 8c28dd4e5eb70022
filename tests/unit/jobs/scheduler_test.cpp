#include "server/jobs/scheduler.h"

#include <cfenv>
#include <thread>

#include "server/jobs/retry_after.h"
#include "unit/jobs/scheduler_fixture.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace dvren::server {
namespace {

TEST_CASE("Submitted work runs on a device and ends") {
  Scheduler scheduler(OneCpu(), {});
  std::string device;
  const auto work = MakeWork([&](Stream& stream) {
    device = stream.device()->info().id;
    return SliceResult::kDone;
  });
  REQUIRE(scheduler.Submit(work, {}).ok());
  CHECK(work->Wait().ok());
  CHECK(device == "cpu");
}

TEST_CASE("A slice runs with round-to-nearest and denormals") {
  Scheduler scheduler(OneCpu(), {});
  int rounding = -1;
  unsigned mxcsr = ~0u;
  const auto work = MakeWork([&](Stream&) {
    rounding = std::fegetround();
#if defined(__x86_64__)
    mxcsr = _mm_getcsr();
#endif
    return SliceResult::kDone;
  });
  REQUIRE(scheduler.Submit(work, {}).ok());
  REQUIRE(work->Wait().ok());
  CHECK(rounding == FE_TONEAREST);
#if defined(__x86_64__)
  CHECK((mxcsr & 0x8040u) == 0u);  // FTZ, DAZ
  CHECK((mxcsr & 0x1F80u) == 0x1F80u);
#endif
}

TEST_CASE("An interactive work overtakes a long one at its next slice") {
  Scheduler scheduler(OneCpu(), {});
  Journal journal;
  Gate first_slice, submitted;
  int slices = 0;
  const auto longer = MakeWork([&](Stream&) {
    journal.Note("long");
    if (++slices == 1) {
      first_slice.Open();
      submitted.Wait();
    }
    return slices == 3 ? SliceResult::kDone : SliceResult::kMore;
  });
  REQUIRE(scheduler.Submit(longer, OfClass(WorkClass::kNormal)).ok());
  first_slice.Wait();
  const auto shorter = journal.Work("short", 1);
  REQUIRE(scheduler.Submit(shorter, OfClass(WorkClass::kInteractive)).ok());
  submitted.Open();
  CHECK(longer->Wait().ok());
  CHECK(shorter->Wait().ok());
  CHECK(journal.names() == std::vector<std::string>{"long", "short", "long", "long"});
}

TEST_CASE("Works of one class take turns slice by slice") {
  Scheduler scheduler(OneCpu(), {});
  Journal journal;
  const auto a = journal.Work("a", 2), b = journal.Work("b", 3);
  {
    Roadblock roadblock(scheduler);
    REQUIRE(scheduler.Submit(a, OfClass(WorkClass::kNormal)).ok());
    REQUIRE(scheduler.Submit(b, OfClass(WorkClass::kNormal)).ok());
    CHECK(scheduler.queued(WorkClass::kNormal) == 2);
  }
  CHECK(a->Wait().ok());
  CHECK(b->Wait().ok());
  CHECK(journal.names() == std::vector<std::string>{"a", "b", "a", "b", "b"});
}

TEST_CASE("Batch work gets a slice although interactive work never pauses") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler::Options options;
  options.time = time;
  options.ageing = std::chrono::milliseconds(100);
  Scheduler scheduler(OneCpu(), options);
  const auto batch = InstantWork();
  std::atomic<bool> stop{false};
  const auto interactive = MakeWork([&](Stream&) {
    time->Advance(std::chrono::milliseconds(10));
    return stop ? SliceResult::kDone : SliceResult::kMore;
  });
  REQUIRE(scheduler.Submit(interactive, OfClass(WorkClass::kInteractive)).ok());
  REQUIRE(scheduler.Submit(batch, OfClass(WorkClass::kBatch)).ok());
  CHECK(batch->Wait().ok());  // while the interactive one still wants more
  CHECK_FALSE(interactive->ended());
  stop = true;
  CHECK(interactive->Wait().ok());
}

TEST_CASE("A full queue refuses work, says so, and invites a retry") {
  Scheduler::Options options;
  options.max_queued = 2;
  std::atomic<int> rejected{0};
  options.observer.on_reject = [&](const WorkOptions&, const absl::Status&) { ++rejected; };
  Scheduler scheduler(OneCpu(), options);
  const auto admitted = InstantWork();
  {
    Roadblock roadblock(scheduler);
    REQUIRE(scheduler.Submit(admitted, {}).ok());
    const auto refused = InstantWork();
    const auto id = scheduler.Submit(refused, {});
    REQUIRE_FALSE(id.ok());
    CHECK(id.status().code() == absl::StatusCode::kResourceExhausted);
    CHECK(std::string(id.status().message()).find("limits.max_queued = 2") != std::string::npos);
    CHECK(RetryAfterMs(id.status()).has_value());
    CHECK_FALSE(refused->ended());
  }
  CHECK(admitted->Wait().ok());
  CHECK(rejected == 1);
}

TEST_CASE("An unknown device is refused with the names of those there are") {
  Scheduler scheduler(OneCpu(), {});
  WorkOptions options;
  options.device = "cuda:7";
  const auto id = scheduler.Submit(InstantWork(), options);
  REQUIRE_FALSE(id.ok());
  CHECK(id.status().code() == absl::StatusCode::kNotFound);
  CHECK(std::string(id.status().message()).find("one of cpu") != std::string::npos);
}

TEST_CASE("Cancelling queued work aborts it before Cancel returns") {
  Scheduler scheduler(OneCpu(), {});
  Roadblock roadblock(scheduler);
  const auto work = InstantWork();
  const auto id = scheduler.Submit(work, {});
  REQUIRE(id.ok());
  scheduler.Cancel(*id);
  CHECK(work->ended());
  CHECK(work->Wait().code() == absl::StatusCode::kCancelled);
  CHECK(work->slices() == 0);
}

TEST_CASE("Cancelling running work aborts it when its slice ends") {
  Scheduler scheduler(OneCpu(), {});
  Gate running, cancelled;
  const auto work = MakeWork([&](Stream&) {
    running.Open();
    cancelled.Wait();
    return SliceResult::kMore;
  });
  const auto id = scheduler.Submit(work, {});
  REQUIRE(id.ok());
  running.Wait();
  scheduler.Cancel(*id);
  CHECK_FALSE(work->ended());
  cancelled.Open();
  CHECK(work->Wait().code() == absl::StatusCode::kCancelled);
  CHECK(work->slices() == 1);
}

TEST_CASE("Work that finishes in the slice in which it is cancelled has finished") {
  Scheduler scheduler(OneCpu(), {});
  Gate running, cancelled;
  const auto work = MakeWork([&](Stream&) {
    running.Open();
    cancelled.Wait();
    return SliceResult::kDone;
  });
  const auto id = scheduler.Submit(work, {});
  REQUIRE(id.ok());
  running.Wait();
  scheduler.Cancel(*id);
  cancelled.Open();
  CHECK(work->Wait().ok());
  scheduler.Cancel(*id);  // nothing left to do
}

TEST_CASE("Parked work waits for Unpark, and other work runs meanwhile") {
  Scheduler scheduler(OneCpu(), {});
  Gate parked;
  int slices = 0;
  const auto work = MakeWork([&](Stream&) {
    if (++slices == 1) {
      parked.Open();
      return SliceResult::kParked;
    }
    return SliceResult::kDone;
  });
  const auto id = scheduler.Submit(work, {});
  REQUIRE(id.ok());
  parked.Wait();
  const auto other = InstantWork();
  REQUIRE(scheduler.Submit(other, {}).ok());
  CHECK(other->Wait().ok());
  CHECK_FALSE(work->ended());
  CHECK(scheduler.Status().front().parked == 1);
  scheduler.Unpark(*id);
  CHECK(work->Wait().ok());
  CHECK(scheduler.Status().front().parked == 0);
}

TEST_CASE("An Unpark that comes before the work has parked is not lost") {
  Scheduler scheduler(OneCpu(), {});
  Gate running, unparked;
  int slices = 0;
  const auto work = MakeWork([&](Stream&) {
    if (++slices == 1) {
      running.Open();
      unparked.Wait();
      return SliceResult::kParked;
    }
    return SliceResult::kDone;
  });
  const auto id = scheduler.Submit(work, {});
  REQUIRE(id.ok());
  running.Wait();
  scheduler.Unpark(*id);
  scheduler.Unpark(*id);
  unparked.Open();
  CHECK(work->Wait().ok());
  scheduler.Unpark(*id);  // of finished work: nothing
}

TEST_CASE("Cancelling parked work aborts it at once") {
  Scheduler scheduler(OneCpu(), {});
  const auto work = MakeWork([](Stream&) { return SliceResult::kParked; });
  const auto id = scheduler.Submit(work, {});
  REQUIRE(id.ok());
  while (scheduler.Status().front().parked == 0) std::this_thread::yield();
  scheduler.Cancel(*id);
  CHECK(work->ended());
  CHECK(work->Wait().code() == absl::StatusCode::kCancelled);
}

TEST_CASE("An exception in a slice aborts the work as internal and spares the worker") {
  Scheduler scheduler(OneCpu(), {});
  class Throwing final : public Work {
   public:
    SliceResult RunSlice(Stream&) override { throw std::runtime_error("boom"); }
    void Abort(const absl::Status& why) override {
      status = why;
      aborted.Open();
    }
    absl::Status status;
    Gate aborted;
  };
  const auto throwing = std::make_shared<Throwing>();
  REQUIRE(scheduler.Submit(throwing, {}).ok());
  throwing->aborted.Wait();
  CHECK(throwing->status.code() == absl::StatusCode::kInternal);
  CHECK(std::string(throwing->status.message()).find("boom") != std::string::npos);
  const auto next = InstantWork();
  REQUIRE(scheduler.Submit(next, {}).ok());
  CHECK(next->Wait().ok());
}

TEST_CASE("The observer sees the wait, every slice and the stage of an abort") {
  Scheduler::Options options;
  std::atomic<int> starts{0}, slices{0}, nonsense{0};
  std::mutex mutex;
  std::vector<std::string> stages;
  options.observer.on_start = [&](const WorkOptions& work, double wait_seconds) {
    if (wait_seconds < 0) ++nonsense;
    if (work.label == "seen") ++starts;
  };
  options.observer.on_slice = [&](const WorkOptions& work, const std::string& device, double) {
    if (device != "cpu") ++nonsense;
    if (work.label == "seen") ++slices;
  };
  options.observer.on_abort = [&](const WorkOptions&, const absl::Status&, WorkStage stage, double since_seconds) {
    if (since_seconds < 0) ++nonsense;
    const std::lock_guard<std::mutex> lock(mutex);
    stages.emplace_back(WorkStageName(stage));
  };
  Scheduler scheduler(OneCpu(), options);
  Journal journal;
  WorkOptions seen;
  seen.label = "seen";
  const auto work = journal.Work("seen", 3);
  {
    Roadblock roadblock(scheduler);
    REQUIRE(scheduler.Submit(work, seen).ok());
    const auto id = scheduler.Submit(InstantWork(), {});
    REQUIRE(id.ok());
    scheduler.Cancel(*id);
  }
  CHECK(work->Wait().ok());
  scheduler.Drain(std::chrono::hours(1));
  CHECK(nonsense == 0);
  CHECK(starts == 1);
  CHECK(slices == 3);
  CHECK(stages == std::vector<std::string>{"queued"});
}

TEST_CASE("The scheduler lets go of work that has ended") {
  Scheduler scheduler(OneCpu(), {});
  auto work = InstantWork();
  const std::weak_ptr<TestWork> watched = work;
  REQUIRE(scheduler.Submit(work, {}).ok());
  REQUIRE(work->Wait().ok());
  work.reset();
  scheduler.Drain(std::chrono::hours(1));
  CHECK(watched.expired());
}

}  // namespace
}  // namespace dvren::server
