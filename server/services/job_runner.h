// JobRunner: takes jobs from the store when there is room, runs each on a thread of its own, and tells the store how it
// ended. Between them it renews its leases, hears of cancels and pauses, takes over what dead daemons have left, and
// forgets old jobs.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "server/jobs/run_queue.h"
#include "server/services/job_kind.h"

namespace dvren::server {

struct JobRunnerOptions {
  std::string daemon;  // its name in the store, the same at each start
  int max_running = 4;
  std::chrono::milliseconds lease{30'000};
  std::chrono::seconds retention{30 * 24 * 3600};  // of finished jobs
  // Told, from the runner's thread, when the queue cannot be reached any more, and when it can again. May be null.
  std::function<void(bool reachable)> on_queue;
  TenantWeight tenant_weight;  // of running jobs; absent: all the same
};

class JobRunner {
 public:
  JobRunner(const JobEnvironment& environment, JobRunnerOptions options);
  ~JobRunner();  // drains
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;

  // Takes no more jobs, and lets those that run save what they have and go back to the queue. Blocks until all have.
  // Before Scheduler::Drain, which they need for that.
  void Drain();

  [[nodiscard]] int running() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dvren::server
