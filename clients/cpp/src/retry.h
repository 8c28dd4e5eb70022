// Retry: how long to wait between attempts of a resumable transfer, and when to give up.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

#include "connection.h"

namespace dvren::client {

class Retry {
 public:
  Retry(int max_attempts, std::chrono::milliseconds delay, Deadline deadline)
      : max_attempts_(max_attempts), first_delay_(delay), delay_(delay), deadline_(deadline) {}

  // Bytes were gained: the attempts count from one again.
  void Progressed() {
    attempts_ = 0;
    delay_ = first_delay_;
  }
  // After a failed attempt that may pass: waits, and gives true while there are attempts and time left.
  [[nodiscard]] bool Again(bool may_pass) {
    if (!may_pass || ++attempts_ >= max_attempts_) return false;
    if (deadline_ && std::chrono::system_clock::now() + delay_ >= *deadline_) return false;
    std::this_thread::sleep_for(delay_);
    delay_ = std::min(2 * delay_, std::chrono::milliseconds(5000));
    return true;
  }

 private:
  const int max_attempts_;
  const std::chrono::milliseconds first_delay_;
  std::chrono::milliseconds delay_;
  const Deadline deadline_;
  int attempts_ = 0;
};

}  // namespace dvren::client
