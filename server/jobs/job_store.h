// JobStore: all jobs of a queue, durable. What a call acknowledged is kept whatever happens to the daemon. Many daemons
// may share a queue: a job is claimed by one, whose lease it renews; who lost a job hears ABORTED when it writes about
// it. Thread-safe. Errors beside those named: RESOURCE_EXHAUSTED for a full disk, UNAVAILABLE for a store that is busy
// or away, DATA_LOSS for a damaged one; after any error nothing has changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/jobs/job_backend.h"

namespace dvren::server {

// Milliseconds since 1970 UTC. A seam for tests; must not be expected to grow.
using WallClock = std::function<std::int64_t()>;

struct JobSubmission {
  std::string owner, kind, title, spec;
  WorkClass work_class = WorkClass::kBatch;
  int priority = 0;
  int max_attempts = 3;
  std::int64_t total = 0;
  std::string request_id;           // "": each submission is a new job
  int max_unfinished = 0;           // of the owner, this one included; 0: any number
  std::vector<JobArtifact> inputs;  // IsInput
};

struct SubmittedJob {
  Job job;
  bool existed = false;  // by an earlier submission with the same request id
};

// What a daemon has to say about a job that it runs.
struct JobUpdate {
  std::optional<std::int64_t> done, total;
  std::optional<std::string> resume;
  std::vector<JobEvent> events;  // number and time are set by the store
  std::vector<JobArtifact> artifacts;
};

// How a daemon lets go of a job that is not done.
struct JobReturn {
  enum class Reason : std::uint8_t {
    kFailed,   // the attempt failed: another one later, or, when there were max_attempts, Failed
    kRefused,  // it will never succeed: Failed
    kPaused,   // as was asked for
    kDrained,  // the daemon stops: the attempt does not count
  };
  Reason reason = Reason::kFailed;
  absl::Status error;  // of kFailed and kRefused
};

class JobStore {
 public:
  static constexpr std::int64_t kRequestMs = 24 * 3600 * 1000;  // how long a request id is remembered
  static constexpr int kMaxCrashes = 2;                         // then the job is set aside: Failed

  JobStore(std::unique_ptr<JobBackend> backend, WallClock clock);
  ~JobStore();

  [[nodiscard]] std::string name() const { return backend_->name(); }

  // ---- for whoever owns the job; owner "" is anybody. NOT_FOUND for another owner's.
  // ALREADY_EXISTS for a request id that came with another kind or spec, RESOURCE_EXHAUSTED beyond max_unfinished.
  [[nodiscard]] absl::StatusOr<SubmittedJob> Submit(const JobSubmission& submission);
  [[nodiscard]] absl::StatusOr<Job> Get(const std::string& owner, JobId id);
  [[nodiscard]] absl::StatusOr<std::vector<Job>> List(const JobQuery& query);
  [[nodiscard]] absl::StatusOr<std::vector<JobEvent>> Events(JobId id, std::int64_t from, int limit);
  [[nodiscard]] absl::StatusOr<std::vector<JobArtifact>> Artifacts(JobId id);
  // A queued or paused job is Cancelled at once, a running one is asked to stop. FAILED_PRECONDITION when it has
  // succeeded or failed.
  [[nodiscard]] absl::StatusOr<Job> Cancel(const std::string& owner, JobId id);
  [[nodiscard]] absl::StatusOr<Job> Pause(const std::string& owner, JobId id);
  [[nodiscard]] absl::StatusOr<Job> Resume(const std::string& owner, JobId id);
  // FAILED_PRECONDITION unless it is Failed or Cancelled.
  [[nodiscard]] absl::StatusOr<Job> Retry(const std::string& owner, JobId id);
  // FAILED_PRECONDITION when it is finished.
  [[nodiscard]] absl::StatusOr<Job> SetPriority(const std::string& owner, JobId id, int priority);

  // ---- for a daemon
  // Of each owner and class the job that is next.
  [[nodiscard]] absl::StatusOr<std::vector<Job>> Heads();
  // Runs it from now on. ABORTED when somebody was quicker, or it is not queued any more.
  [[nodiscard]] absl::StatusOr<Job> Claim(JobId id, const std::string& daemon, std::int64_t lease_ms);
  // Of all that the daemon runs. Gives their ids: one that is missing has been lost.
  [[nodiscard]] absl::StatusOr<std::vector<JobId>> Renew(const std::string& daemon, std::int64_t lease_ms);
  // ABORTED for a stale epoch, here and below.
  [[nodiscard]] absl::StatusOr<Job> Update(JobId id, std::int64_t epoch, JobUpdate update);
  // Succeeded; or Cancelled where that was asked for meanwhile and `cancelled`.
  [[nodiscard]] absl::StatusOr<Job> Finish(JobId id, std::int64_t epoch, JobUpdate last, bool cancelled);
  // A job that was asked to cancel is Cancelled whatever the reason.
  [[nodiscard]] absl::StatusOr<Job> Return(JobId id, std::int64_t epoch, const JobReturn& how);
  // At a daemon's start: what it ran when it died goes back to the queue, or is set aside when that was its
  // kMaxCrashes-th time. Gives the jobs as they are now.
  [[nodiscard]] absl::StatusOr<std::vector<Job>> RecoverOwn(const std::string& daemon);
  // Now and then: the same of jobs whose daemon has not renewed its lease.
  [[nodiscard]] absl::StatusOr<std::vector<Job>> RecoverExpired();
  // Forgets jobs that finished so long ago. Gives how many.
  [[nodiscard]] absl::StatusOr<int> Prune(std::int64_t age_ms);
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> Objects() { return backend_->Objects(); }
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> Check() { return backend_->Check(); }

  // `changed` is called after each change of a job, with no lock held, from any thread, maybe for nothing, until the
  // subscription goes; when that returns no call is under way.
  class Subscription;
  struct SubscriptionDeleter {
    void operator()(Subscription* subscription) const;
  };
  using SubscriptionPtr = std::unique_ptr<Subscription, SubscriptionDeleter>;
  [[nodiscard]] SubscriptionPtr Subscribe(std::function<void(JobId)> changed);

 private:
  struct Subscribers;
  using Change = std::function<absl::Status(Job& job, std::vector<JobEvent>& events)>;
  [[nodiscard]] absl::StatusOr<Job> Mutate(const std::string& owner, JobId id, const Change& change,
                                           const std::vector<JobArtifact>& artifacts = {});
  [[nodiscard]] absl::StatusOr<Job> MutateRunning(JobId id, std::int64_t epoch, JobUpdate update, const Change& change);
  [[nodiscard]] absl::Status Apply(JobTransaction& transaction, Job& job, const Change& change,
                                   const std::vector<JobArtifact>& artifacts) const;
  [[nodiscard]] absl::Status Recover(JobTransaction& transaction, JobId id, std::vector<Job>& recovered) const;
  void Notify(JobId id) const;

  const std::unique_ptr<JobBackend> backend_;
  const WallClock clock_;
  const std::shared_ptr<Subscribers> subscribers_;
};

// How long a job waits after its `attempts`-th attempt failed: 1 s, 4 s, 16 s, … at most 5 minutes.
[[nodiscard]] std::int64_t RetryDelayMs(int attempts);

}  // namespace dvren::server
