// WorkerPool: a few threads for what must not block an RPC thread and needs no device: files and imports.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "server/jobs/mutex.h"
#include "server/jobs/thread_annotations.h"

namespace dvren::server {

class WorkerPool {
 public:
  // At most `max_waiting` tasks wait for a thread.
  WorkerPool(int threads, std::size_t max_waiting);
  ~WorkerPool();  // runs what was accepted, then joins
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Whether the task was accepted; it then runs exactly once. Tasks do not throw.
  [[nodiscard]] bool Post(std::function<void()> task);

 private:
  void Run();

  const std::size_t max_waiting_;
  Mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_ DVREN_GUARDED_BY(mutex_);
  bool stopping_ DVREN_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace dvren::server
