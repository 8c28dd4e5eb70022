// What the scheduler's tests share: a clock that a test moves, work that a test steers, and a CPU device.
#pragma once

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/jobs/scheduler.h"

namespace dvren::server {

// Stands still until Advance. Waits poll, so that no wake-up can be lost; nothing here depends on how long that takes.
class ManualTime final : public TimeSource {
 public:
  [[nodiscard]] Clock::time_point Now() const override {
    return Clock::time_point(std::chrono::nanoseconds(now_ns_.load()));
  }
  void WaitUntil(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
                 Clock::time_point when) override {
    if (Now() < when) changed.wait_for(lock, std::chrono::milliseconds(1));
  }
  void Advance(std::chrono::nanoseconds by) { now_ns_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_ns_{1'000'000'000};
};

// Opens once; Wait blocks until then.
class Gate {
 public:
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    opened_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

// Runs `slice` and remembers how it ended.
class TestWork final : public Work {
 public:
  explicit TestWork(std::function<SliceResult(Stream&)> slice) : slice_(std::move(slice)) {}

  SliceResult RunSlice(Stream& stream) override {
    if (busy_.exchange(true) || ended_.load()) broken_ = true;
    const SliceResult result = slice_(stream);
    ++slices_;
    busy_ = false;
    if (result == SliceResult::kDone) End(absl::OkStatus());
    return result;
  }
  // One slice of each, which must be its last.
  void RunTogether(Stream& stream, const std::vector<std::shared_ptr<Work>>& others) override {
    together_ = 1 + static_cast<int>(others.size());
    if (RunSlice(stream) != SliceResult::kDone) broken_ = true;
    for (const std::shared_ptr<Work>& other : others) {
      if (static_cast<TestWork&>(*other).RunSlice(stream) != SliceResult::kDone) broken_ = true;
    }
  }
  void Abort(const absl::Status& why) override {
    if (busy_.load()) broken_ = true;
    End(why);
  }

  // Blocks until it is done (OK) or aborted.
  [[nodiscard]] absl::Status Wait() {
    end_.Wait();
    REQUIRE(promise_kept());
    const std::lock_guard<std::mutex> lock(mutex_);
    return outcome_;
  }
  [[nodiscard]] int slices() const { return slices_.load(); }
  // Works that ran together with this one as the first of them; 0: it was not.
  [[nodiscard]] int together() const { return together_.load(); }
  [[nodiscard]] bool ended() const { return ended_.load(); }
  // The scheduler's promise: one thread at a time, one end, nothing after it. (Catch's assertions are for one thread
  // only.)
  [[nodiscard]] bool promise_kept() const { return !broken_.load(); }

 private:
  void End(absl::Status outcome) {
    if (ended_.exchange(true)) broken_ = true;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      outcome_ = std::move(outcome);
    }
    end_.Open();
  }
  std::function<SliceResult(Stream&)> slice_;
  std::atomic<bool> busy_{false}, ended_{false}, broken_{false};
  std::atomic<int> slices_{0}, together_{0};
  std::mutex mutex_;
  absl::Status outcome_;
  Gate end_;
};

inline std::shared_ptr<TestWork> MakeWork(std::function<SliceResult(Stream&)> slice) {
  return std::make_shared<TestWork>(std::move(slice));
}

inline std::shared_ptr<TestWork> InstantWork() {
  return MakeWork([](Stream&) { return SliceResult::kDone; });
}

inline std::vector<std::shared_ptr<Device>> OneCpu() {
  DeviceOptions options;
  options.threads = 1;
  auto device = Device::Create(options);
  REQUIRE(device.ok());
  return {*device};
}

inline WorkOptions OfClass(WorkClass work_class) {
  WorkOptions options;
  options.work_class = work_class;
  return options;
}

// Keeps the only worker busy until it goes, so that a test can fill the queue behind it.
class Roadblock {
 public:
  explicit Roadblock(Scheduler& scheduler) {
    // The slice holds the gates, too: it may still be on its way through one when the roadblock is gone.
    work_ = MakeWork([entered = entered_, gate = gate_](Stream&) {
      entered->Open();
      gate->Wait();
      return SliceResult::kDone;
    });
    REQUIRE(scheduler.Submit(work_, OfClass(WorkClass::kInteractive)).ok());
    entered_->Wait();
  }
  ~Roadblock() { Lift(); }
  void Lift() { gate_->Open(); }

 private:
  std::shared_ptr<Gate> entered_ = std::make_shared<Gate>(), gate_ = std::make_shared<Gate>();
  std::shared_ptr<TestWork> work_;
};

// Which works ran slices, in order.
class Journal {
 public:
  void Note(const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    names_.push_back(name);
  }
  [[nodiscard]] std::vector<std::string> names() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return names_;
  }
  // Notes `name` on each of its `slices` slices.
  std::shared_ptr<TestWork> Work(const std::string& name, int slices) {
    auto left = std::make_shared<int>(slices);
    return MakeWork([this, name, left](Stream&) {
      Note(name);
      return --*left == 0 ? SliceResult::kDone : SliceResult::kMore;
    });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
};

}  // namespace dvren::server
