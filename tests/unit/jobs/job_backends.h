// Every kind of job store that can be had here, for tests that loop over them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/jobs/job_store.h"

namespace dvren::server {

// A clock that a test moves.
struct TestClock {
  std::shared_ptr<std::atomic<std::int64_t>> now = std::make_shared<std::atomic<std::int64_t>>(1'000'000'000'000);
  [[nodiscard]] WallClock clock() const {
    return [now = now] { return now->load(); };
  }
  void Advance(std::int64_t ms) const { *now += ms; }
};

struct BackendUnderTest {
  std::string name;
  // A queue that is empty; each call another one. `reopen` opens the same once more where a backend outlives its
  // object: for daemons that come back, or share it.
  struct Queue {
    std::shared_ptr<void> keep;
    std::function<std::unique_ptr<JobBackend>()> open;
  };
  std::function<Queue()> make;
  bool durable = true;
};

[[nodiscard]] const std::vector<BackendUnderTest>& BackendsUnderTest();

}  // namespace dvren::server
