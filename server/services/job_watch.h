// JobWatch: one WatchJob call: a job's events from a number on, as they come. JobWatchHub tells the calls of a job that
// there is something new.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "dvren/v1/job_service.pb.h"
#include "server/jobs/job_store.h"
#include "server/jobs/mutex.h"
#include "server/jobs/thread_annotations.h"
#include "server/middleware/request_scope.h"
#include "server/services/job_kind.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

class JobWatch;

class JobWatchHub {
 public:
  void Add(JobId id, const std::shared_ptr<JobWatch>& watch);
  void Remove(JobId id, const std::shared_ptr<JobWatch>& watch);
  // Of a change; from any thread, quick.
  void Changed(JobId id);

 private:
  Mutex mutex_;
  std::map<JobId, std::set<std::shared_ptr<JobWatch>>> watches_ DVREN_GUARDED_BY(mutex_);
};

class JobWatch final : public grpc::ServerWriteReactor<v1::WatchJobResponse>,
                       public std::enable_shared_from_this<JobWatch> {
 public:
  static JobWatch* Start(const JobEnvironment& environment, JobWatchHub& hub, WorkerPool& pool,
                         grpc::CallbackServerContext* call, const v1::WatchJobRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }
  // There may be more events.
  void Wake();

 private:
  JobWatch(const JobEnvironment& environment, JobWatchHub& hub, WorkerPool& pool, grpc::CallbackServerContext* call)
      : jobs_(environment.jobs),
        results_(environment.results),
        hub_(hub),
        pool_(pool),
        scope_(environment.context, call, "JobService/WatchJob") {}
  [[nodiscard]] absl::Status Begin(const v1::WatchJobRequest& request);
  void PostRead() DVREN_REQUIRES(mutex_);
  void Read();
  [[nodiscard]] absl::StatusOr<bool> ReadEvents(std::deque<v1::WatchJobResponse>& events);
  void End(const absl::Status& status);
  void FinishCall(const absl::Status& status);

  JobStore& jobs_;
  JobResults* const results_;
  JobWatchHub& hub_;
  WorkerPool& pool_;
  RequestScope scope_;
  JobId id_ = 0;
  std::int64_t next_ = 1;           // event; the reader's own
  std::shared_ptr<JobWatch> self_;  // until OnDone

  Mutex mutex_;
  std::deque<v1::WatchJobResponse> outbound_ DVREN_GUARDED_BY(mutex_);  // front is being written
  bool reading_ DVREN_GUARDED_BY(mutex_) = false;                       // on the pool, or on its way there
  bool news_ DVREN_GUARDED_BY(mutex_) = false;                          // since the last read began
  std::optional<absl::Status> ended_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace dvren::server
