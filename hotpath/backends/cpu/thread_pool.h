// ThreadPool: runs the items of one parallel loop on persistent threads. Every thread starts with an equal range of
// items and, when it has done its own, takes half of what the fullest other thread has left.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace hp::cpu {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // including the calling thread of Run
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int threads() const { return static_cast<int>(ranges_.size()); }
  // Calls fn(thread, item) for every item in [0, items), and returns when all are done. Loops of several callers run
  // one after the other. `fn` must not throw and must not call Run.
  void Run(int64_t items, const std::function<void(int thread, int64_t item)>& fn);

 private:
  struct alignas(64) Range {
    std::atomic<uint64_t> bounds{0};  // begin in the high, end in the low 32 bits
  };
  void Work(int thread);
  bool Take(int thread, uint32_t* item);
  bool Steal(int thread);
  void Loop(int thread);

  std::vector<Range> ranges_;
  std::vector<std::thread> workers_;
  std::mutex run_mutex_;  // one loop at a time
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  uint64_t generation_ = 0;                                // guarded by mutex_
  int busy_ = 0;                                           // guarded by mutex_: workers still in the loop
  bool stop_ = false;                                      // guarded by mutex_
  const std::function<void(int, int64_t)>* fn_ = nullptr;  // guarded by mutex_ between loops
  int64_t base_ = 0;
};

}  // namespace hp::cpu
