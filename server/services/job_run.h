// JobRun: one attempt of a job that this daemon has claimed: what its kind may do, and how it is stopped. Run() and
// what it calls are on the job's own thread; Stop comes from any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dvren/core/stream.h"
#include "dvren/v1/job_service.pb.h"
#include "server/jobs/job_store.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/services/job_inputs.h"
#include "server/services/job_kind.h"

namespace dvren::server {

class JobRun {
 public:
  enum class StopReason : std::uint8_t { kNone, kCancelled, kPaused, kDrained, kLost };

  JobRun(const JobEnvironment& environment, Job job, v1::JobSpec spec)
      : environment_(environment), job_(std::move(job)), spec_(std::move(spec)) {}

  [[nodiscard]] const Job& job() const { return job_; }  // as it was claimed, and updated since
  [[nodiscard]] const v1::JobSpec& spec() const { return spec_; }
  // "jobs/{id}".
  [[nodiscard]] std::string name() const;

  // The first reason counts, but for kLost.
  void Stop(StopReason reason);
  [[nodiscard]] StopReason stop() const { return stop_; }
  // CANCELLED once it is to stop.
  [[nodiscard]] absl::Status CheckStop() const;

  // Runs slices of some milliseconds on a device until one says that it was the last (false) or fails; blocks.
  // CANCELLED when the job is to stop, at the end of a slice. `anyway`: even then, for what is saved on the way out.
  using Slice = std::function<absl::StatusOr<bool>(Stream& stream)>;
  [[nodiscard]] absl::Status OnDevice(const std::string& device, const Slice& slice, bool anyway = false);

  // The fields that came with the job, by the names that its kind has for them; null where jobs come without. Waits as
  // Note does.
  [[nodiscard]] absl::StatusOr<const JobInputs*> Inputs(const std::vector<std::string>& names);

  // Durable when it returns. While the store is away it waits, until the job is to stop. ABORTED when somebody else has
  // the job by now.
  [[nodiscard]] absl::Status Note(JobUpdate update);
  [[nodiscard]] absl::Status Log(const std::string& line);

 private:
  // Before another try: false when the job is to stop.
  [[nodiscard]] bool AwaitStore();
  // Whether the store has an update that it did not acknowledge.
  [[nodiscard]] absl::StatusOr<bool> Noted();

  const JobEnvironment environment_;
  Job job_;
  const v1::JobSpec spec_;
  std::optional<JobInputs> inputs_;  // once they were asked for
  std::atomic<StopReason> stop_{StopReason::kNone};

  Mutex mutex_;
  std::condition_variable stopped_;
  WorkId work_ DVREN_GUARDED_BY(mutex_) = 0;  // to be cancelled by Stop; 0: none
};

// A progress event: done, total, and figures such as {"psnr", 31}.
[[nodiscard]] JobEvent ProgressEvent(std::int64_t done, std::int64_t total,
                                     const std::vector<std::pair<std::string, double>>& figures);

}  // namespace dvren::server
