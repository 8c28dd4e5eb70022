// Works that run together in one slice.
#include <stdexcept>

#include "unit/jobs/scheduler_fixture.h"

namespace dvren::server {
namespace {

WorkOptions InBatch(const std::string& batch, std::int64_t size = 1, const std::string& tenant = "") {
  WorkOptions options;
  options.batch = batch;
  options.batch_size = size;
  options.tenant = tenant;
  return options;
}

TEST_CASE("Works of one batch that wait for the device run together, in the order in which they came") {
  Scheduler scheduler(OneCpu(), {});
  Journal journal;
  Roadblock roadblock(scheduler);
  const auto first = journal.Work("a1", 1), other = journal.Work("b1", 1), second = journal.Work("a2", 1),
             plain = journal.Work("plain", 1), third = journal.Work("a3", 1);
  REQUIRE(scheduler.Submit(first, InBatch("a")).ok());
  REQUIRE(scheduler.Submit(other, InBatch("b")).ok());
  REQUIRE(scheduler.Submit(second, InBatch("a")).ok());
  REQUIRE(scheduler.Submit(plain, {}).ok());
  REQUIRE(scheduler.Submit(third, InBatch("a")).ok());
  roadblock.Lift();
  for (const auto& work : {first, second, third, other, plain}) CHECK(work->Wait().ok());
  CHECK(journal.names() == std::vector<std::string>{"a1", "a2", "a3", "b1", "plain"});
  CHECK(first->together() == 3);
  CHECK(other->together() == 0);  // alone: RunSlice
}

TEST_CASE("A batch is no larger than it may be, and what is left makes the next") {
  Scheduler::Options options;
  options.max_batch = 10;
  Scheduler scheduler(OneCpu(), options);
  Roadblock roadblock(scheduler);
  std::vector<std::shared_ptr<TestWork>> works;
  for (int i = 0; i < 5; ++i) {
    works.push_back(InstantWork());
    REQUIRE(scheduler.Submit(works.back(), InBatch("a", 4)).ok());
  }
  roadblock.Lift();
  for (const auto& work : works) CHECK(work->Wait().ok());
  CHECK(works[0]->together() == 2);
  CHECK(works[2]->together() == 2);
  CHECK(works[4]->together() == 0);
}

TEST_CASE("With no room for a second work each runs alone") {
  Scheduler::Options options;
  options.max_batch = 0;
  Scheduler scheduler(OneCpu(), options);
  Roadblock roadblock(scheduler);
  const auto first = InstantWork(), second = InstantWork();
  REQUIRE(scheduler.Submit(first, InBatch("a")).ok());
  REQUIRE(scheduler.Submit(second, InBatch("a")).ok());
  roadblock.Lift();
  CHECK((first->Wait().ok() && second->Wait().ok()));
  CHECK(first->together() + second->together() == 0);
}

TEST_CASE("Works of two tenants or classes do not run together, whatever their batch") {
  Scheduler scheduler(OneCpu(), {});
  Roadblock roadblock(scheduler);
  const auto alice = InstantWork(), bob = InstantWork(), batch = InstantWork();
  REQUIRE(scheduler.Submit(alice, InBatch("a", 1, "alice")).ok());
  REQUIRE(scheduler.Submit(bob, InBatch("a", 1, "bob")).ok());
  WorkOptions of_class = InBatch("a", 1, "alice");
  of_class.work_class = WorkClass::kBatch;
  REQUIRE(scheduler.Submit(batch, of_class).ok());
  roadblock.Lift();
  for (const auto& work : {alice, bob, batch}) {
    CHECK(work->Wait().ok());
    CHECK(work->together() == 0);
  }
}

TEST_CASE("A work that is cancelled or expires while it waits is not in its batch") {
  const auto time = std::make_shared<ManualTime>();
  Scheduler::Options options;
  options.time = time;
  Scheduler scheduler(OneCpu(), options);
  Roadblock roadblock(scheduler);
  const auto first = InstantWork(), cancelled = InstantWork(), late = InstantWork(), last = InstantWork();
  REQUIRE(scheduler.Submit(first, InBatch("a")).ok());
  const auto id = scheduler.Submit(cancelled, InBatch("a"));
  REQUIRE(id.ok());
  WorkOptions soon = InBatch("a");
  soon.deadline = time->Now() + std::chrono::milliseconds(5);
  REQUIRE(scheduler.Submit(late, soon).ok());
  REQUIRE(scheduler.Submit(last, InBatch("a")).ok());
  scheduler.Cancel(*id);
  time->Advance(std::chrono::milliseconds(10));
  roadblock.Lift();
  CHECK(first->Wait().ok());
  CHECK(last->Wait().ok());
  CHECK(cancelled->Wait().code() == absl::StatusCode::kCancelled);
  CHECK(late->Wait().code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(first->together() == 2);
}

TEST_CASE("When a batch throws, all of it is aborted as internal, and the worker goes on") {
  Scheduler scheduler(OneCpu(), {});
  Roadblock roadblock(scheduler);
  class Broken final : public Work {
   public:
    SliceResult RunSlice(Stream&) override { throw std::runtime_error("no"); }
    void RunTogether(Stream&, const std::vector<std::shared_ptr<Work>>&) override { throw std::runtime_error("no"); }
    void Abort(const absl::Status& why) override {
      code = why.code();
      ended.Open();
    }
    std::atomic<absl::StatusCode> code{absl::StatusCode::kOk};
    Gate ended;
  };
  const auto first = std::make_shared<Broken>(), second = std::make_shared<Broken>();
  REQUIRE(scheduler.Submit(first, InBatch("a")).ok());
  REQUIRE(scheduler.Submit(second, InBatch("a")).ok());
  roadblock.Lift();
  for (const auto& work : {first, second}) {
    work->ended.Wait();
    CHECK(work->code == absl::StatusCode::kInternal);
  }
  const auto after = InstantWork();
  REQUIRE(scheduler.Submit(after, {}).ok());
  CHECK(after->Wait().ok());
}

TEST_CASE("The observer sees each work of a batch start, and one slice for all") {
  std::atomic<int> starts{0}, slices{0};
  Scheduler::Options options;
  options.observer.on_start = [&](const WorkOptions& work, double) { starts += work.batch.empty() ? 0 : 1; };
  options.observer.on_slice = [&](const WorkOptions& work, const std::string&, double) {
    slices += work.batch.empty() ? 0 : 1;
  };
  Scheduler scheduler(OneCpu(), options);
  Roadblock roadblock(scheduler);
  const auto first = InstantWork(), second = InstantWork(), third = InstantWork();
  for (const auto& work : {first, second, third}) REQUIRE(scheduler.Submit(work, InBatch("a")).ok());
  roadblock.Lift();
  for (const auto& work : {first, second, third}) CHECK(work->Wait().ok());
  scheduler.Drain(std::chrono::hours(1));
  CHECK(starts == 3);
  CHECK(slices == 1);
}

}  // namespace
}  // namespace dvren::server
