// TimeSource: the scheduler's clock as a seam, so that tests can let deadlines and ageing pass without waiting.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace dvren::server {

using Clock = std::chrono::steady_clock;

class TimeSource {
 public:
  virtual ~TimeSource() = default;
  [[nodiscard]] virtual Clock::time_point Now() const { return Clock::now(); }
  // Returns when `changed` is notified or `when` has come; may return earlier.
  virtual void WaitUntil(std::condition_variable& changed, std::unique_lock<std::mutex>& lock, Clock::time_point when) {
    changed.wait_until(lock, when);
  }
};

}  // namespace dvren::server
