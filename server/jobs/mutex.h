// Mutex and MutexLock: std::mutex and std::unique_lock with clang's annotations, which libstdc++'s own lack.
#pragma once

#include <mutex>

#include "server/jobs/thread_annotations.h"

namespace dvren::server {

class DVREN_CAPABILITY("mutex") Mutex {
 public:
  [[nodiscard]] std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class DVREN_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) DVREN_ACQUIRE(mutex) : lock_(mutex.native()) {}
  ~MutexLock() DVREN_RELEASE() {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void Unlock() DVREN_RELEASE() { lock_.unlock(); }
  void Lock() DVREN_ACQUIRE() { lock_.lock(); }
  // For std::condition_variable, which unlocks and locks again before it returns.
  [[nodiscard]] std::unique_lock<std::mutex>& native() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace dvren::server
