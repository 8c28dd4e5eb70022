#include "backends/cpu/thread_pool.h"

#include <algorithm>

#include "abi/float_environment.h"

namespace hp::cpu {

namespace {
constexpr uint64_t Pack(uint32_t begin, uint32_t end) {
  return (uint64_t{begin} << 32) | end;
}
constexpr uint32_t Begin(uint64_t bounds) {
  return static_cast<uint32_t>(bounds >> 32);
}
constexpr uint32_t End(uint64_t bounds) {
  return static_cast<uint32_t>(bounds);
}
constexpr int64_t kMaxItems = int64_t{1} << 31;  // per round
}  // namespace

ThreadPool::ThreadPool(int threads) : ranges_(static_cast<size_t>(std::max(threads, 1))) {
  for (int i = 1; i < this->threads(); ++i) workers_.emplace_back([this, i] { Loop(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::Run(int64_t items, const std::function<void(int, int64_t)>& fn) {
  std::lock_guard<std::mutex> one_loop(run_mutex_);
  FloatEnvironment environment;
  for (base_ = 0; base_ < items; base_ += kMaxItems) {
    const auto count = static_cast<uint64_t>(std::min(items - base_, kMaxItems));
    const auto n = static_cast<uint64_t>(threads());
    const bool alone = n == 1 || count == 1;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      fn_ = &fn;
      for (uint64_t i = 0; i < n; ++i) {
        ranges_[i].bounds.store(
            alone ? (i == 0 ? Pack(0, static_cast<uint32_t>(count)) : 0)
                  : Pack(static_cast<uint32_t>(count * i / n), static_cast<uint32_t>(count * (i + 1) / n)));
      }
      if (!alone) {
        busy_ = static_cast<int>(n) - 1;
        ++generation_;
      }
    }
    if (!alone) wake_.notify_all();
    Work(0);
    if (!alone) {
      std::unique_lock<std::mutex> lock(mutex_);
      done_.wait(lock, [this] { return busy_ == 0; });
    }
  }
}

void ThreadPool::Loop(int thread) {
  FloatEnvironment environment;
  uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    Work(thread);
    std::lock_guard<std::mutex> lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

void ThreadPool::Work(int thread) {
  uint32_t item = 0;
  do {
    while (Take(thread, &item)) (*fn_)(thread, base_ + item);
  } while (Steal(thread));
}

bool ThreadPool::Take(int thread, uint32_t* item) {
  auto& bounds = ranges_[static_cast<size_t>(thread)].bounds;
  uint64_t now = bounds.load();
  do {
    if (Begin(now) >= End(now)) return false;
  } while (!bounds.compare_exchange_weak(now, Pack(Begin(now) + 1, End(now))));
  *item = Begin(now);
  return true;
}

bool ThreadPool::Steal(int thread) {
  for (;;) {
    size_t victim = ranges_.size();
    uint32_t most = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const uint64_t now = ranges_[i].bounds.load();
      const uint32_t left = End(now) > Begin(now) ? End(now) - Begin(now) : 0;
      if (static_cast<int>(i) != thread && left > most) {
        victim = i;
        most = left;
        seen = now;
      }
    }
    if (victim == ranges_.size()) return false;
    const uint32_t middle = End(seen) - (most + 1) / 2;  // the thief takes the upper half
    if (ranges_[victim].bounds.compare_exchange_strong(seen, Pack(Begin(seen), middle))) {
      ranges_[static_cast<size_t>(thread)].bounds.store(Pack(middle, End(seen)));
      return true;
    }
  }
}

}  // namespace hp::cpu
