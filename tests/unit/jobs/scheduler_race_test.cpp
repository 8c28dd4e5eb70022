// Many threads at once: worth most under ThreadSanitizer, which sees what no assertion here can.
#include <thread>

#include "unit/jobs/scheduler_fixture.h"

namespace dvren::server {
namespace {

constexpr int kThreads = 4;
constexpr int kWorksPerThread = 200;

TEST_CASE("Every work ends exactly once, however submits, cancels, unparks and deadlines interleave") {
  Scheduler::Options options;
  options.max_queued = kThreads * kWorksPerThread;
  Scheduler scheduler(OneCpu(), options);
  std::vector<std::vector<std::shared_ptr<TestWork>>> works(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kWorksPerThread; ++i) {
        auto left = std::make_shared<int>(1 + (i + t) % 4);
        auto work = MakeWork([left, i](Stream&) {
          if (--*left == 0) return SliceResult::kDone;
          return i % 3 == 0 ? SliceResult::kParked : SliceResult::kMore;
        });
        WorkOptions work_options = OfClass(static_cast<WorkClass>((i + t) % 3));
        if (i % 5 == 0) work_options.deadline = Clock::now() + std::chrono::microseconds(200 * (i % 7 + 1));
        const auto id = scheduler.Submit(work, work_options);
        if (!id.ok()) continue;  // its deadline was too close
        works[static_cast<std::size_t>(t)].push_back(work);
        if (i % 4 == 0) scheduler.Cancel(*id);
        if (i % 3 == 0) {
          // A reader that keeps asking until the work is over, from its own thread.
          while (!work->ended()) {
            scheduler.Unpark(*id);
            std::this_thread::yield();
          }
        }
        if (i % 16 == 0) (void)scheduler.Status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  scheduler.Drain(std::chrono::hours(1));
  for (const auto& of_thread : works) {
    for (const auto& work : of_thread) CHECK((work->ended() && work->promise_kept()));
  }
}

TEST_CASE("Works that may run together end exactly once each, however submits, cancels and deadlines interleave") {
  Scheduler::Options options;
  options.max_queued = kThreads * kWorksPerThread;
  options.max_batch = 8;
  Scheduler scheduler(OneCpu(), options);
  std::vector<std::vector<std::shared_ptr<TestWork>>> works(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kWorksPerThread; ++i) {
        auto work = InstantWork();
        WorkOptions work_options = OfClass(static_cast<WorkClass>(i % 2));
        work_options.batch.assign(static_cast<std::size_t>(i % 3), 'a');
        work_options.batch_size = 1 + i % 4;
        if (i % 5 == 0) work_options.deadline = Clock::now() + std::chrono::microseconds(100 * (i % 7 + 1));
        const auto id = scheduler.Submit(work, work_options);
        if (!id.ok()) continue;  // its deadline was too close
        works[static_cast<std::size_t>(t)].push_back(work);
        if (i % 4 == 0) scheduler.Cancel(*id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  scheduler.Drain(std::chrono::hours(1));
  for (const auto& of_thread : works) {
    for (const auto& work : of_thread) CHECK((work->ended() && work->promise_kept() && work->together() <= 8));
  }
}

TEST_CASE("A drain in the middle of traffic leaves nobody waiting") {
  for (int round = 0; round < 10; ++round) {
    Scheduler scheduler(OneCpu(), {});
    std::vector<std::vector<std::shared_ptr<TestWork>>> works(kThreads);
    std::vector<std::thread> threads;
    std::atomic<bool> stop{false};
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        while (!stop) {
          auto work = MakeWork([t](Stream&) { return t % 2 == 0 ? SliceResult::kDone : SliceResult::kParked; });
          const auto id = scheduler.Submit(work, {});
          if (!id.ok()) {
            if (id.status().code() == absl::StatusCode::kUnavailable) return;
            std::this_thread::yield();
            continue;
          }
          works[static_cast<std::size_t>(t)].push_back(work);
        }
      });
    }
    std::this_thread::yield();
    scheduler.Drain(std::chrono::milliseconds(1));
    stop = true;
    for (std::thread& thread : threads) thread.join();
    for (const auto& of_thread : works) {
      for (const auto& work : of_thread) CHECK((work->ended() && work->promise_kept()));
    }
  }
}

TEST_CASE("Producer and consumer around a parked work lose no wake-up") {
  Scheduler scheduler(OneCpu(), {});
  constexpr int kItems = 2000;
  std::atomic<int> produced{0}, read{0};
  // Parks while the reader is behind: the pattern of a stream with a slow reader.
  const auto work = MakeWork([&](Stream&) {
    if (produced == kItems) return SliceResult::kDone;
    if (produced - read >= 4) return SliceResult::kParked;
    ++produced;
    return SliceResult::kMore;
  });
  const auto id = scheduler.Submit(work, {});
  REQUIRE(id.ok());
  while (read < kItems) {
    if (read < produced) {
      ++read;
      scheduler.Unpark(*id);
    } else {
      std::this_thread::yield();
    }
  }
  CHECK(work->Wait().ok());
}

}  // namespace
}  // namespace dvren::server
