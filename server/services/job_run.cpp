#include "server/services/job_run.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

constexpr std::chrono::milliseconds kStoreRetry{250};

// Slices of a job, as a piece of work.
class JobWork final : public Work {
 public:
  JobWork(const JobRun& run, const JobRun::Slice& slice, bool anyway) : run_(run), slice_(slice), anyway_(anyway) {}

  SliceResult RunSlice(Stream& stream) override {
    absl::Status status = anyway_ ? absl::OkStatus() : run_.CheckStop();
    if (status.ok()) {
      const absl::StatusOr<bool> more = slice_(stream);
      if (more.ok() && *more) return SliceResult::kMore;
      status = more.status();
    }
    End(std::move(status));
    return SliceResult::kDone;
  }
  void Abort(const absl::Status& why) override { End(why); }

  absl::Status Wait() {
    MutexLock lock(mutex_);
    while (!ended_) changed_.wait(lock.native());
    return status_;
  }

 private:
  void End(absl::Status status) {
    MutexLock lock(mutex_);
    ended_ = true;
    status_ = std::move(status);
    changed_.notify_all();
  }

  const JobRun& run_;
  const JobRun::Slice& slice_;
  const bool anyway_;
  Mutex mutex_;
  std::condition_variable changed_;
  bool ended_ DVREN_GUARDED_BY(mutex_) = false;
  absl::Status status_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace

std::string JobRun::name() const {
  return absl::StrCat("jobs/", job_.id);
}

void JobRun::Stop(StopReason reason) {
  StopReason none = StopReason::kNone;
  if (!stop_.compare_exchange_strong(none, reason) && reason == StopReason::kLost) stop_ = reason;
  WorkId work = 0;
  {
    MutexLock lock(mutex_);
    work = work_;
    stopped_.notify_all();
  }
  if (work != 0) environment_.context.scheduler.Cancel(work);
}

absl::Status JobRun::CheckStop() const {
  switch (stop_) {
    case StopReason::kNone:
      return absl::OkStatus();
    case StopReason::kCancelled:
      return absl::CancelledError("cancelled");
    case StopReason::kPaused:
      return absl::CancelledError("paused");
    case StopReason::kDrained:
      return absl::CancelledError("the daemon stops");
    case StopReason::kLost:
      return absl::CancelledError("another daemon has the job");
  }
  return absl::CancelledError("stopped");
}

absl::Status JobRun::OnDevice(const std::string& device, const Slice& slice, bool anyway) {
  if (!anyway) DVREN_RETURN_IF_ERROR(CheckStop());
  WorkOptions options;
  options.label = absl::StrCat("job ", job_.kind);
  options.tenant = job_.owner;
  options.work_class = job_.work_class;
  options.device = device;
  const auto work = std::make_shared<JobWork>(*this, slice, anyway);
  DVREN_ASSIGN_OR_RETURN(const WorkId id, environment_.context.scheduler.Submit(work, std::move(options)));
  if (!anyway) {
    {
      MutexLock lock(mutex_);
      work_ = id;
    }
    // It may have been stopped before it could be seen.
    if (stop_ != StopReason::kNone) environment_.context.scheduler.Cancel(id);
  }
  absl::Status status = work->Wait();
  MutexLock lock(mutex_);
  work_ = 0;
  return status;
}

absl::StatusOr<const JobInputs*> JobRun::Inputs(const std::vector<std::string>& names) {
  if (!environment_.shared()) return nullptr;
  while (!inputs_) {
    absl::StatusOr<JobInputs> inputs = JobInputs::Load(environment_, job_.id, names);
    if (inputs.ok()) {
      inputs_ = *std::move(inputs);
    } else if (!absl::IsUnavailable(inputs.status()) || !AwaitStore()) {
      return inputs.status();
    }
  }
  return &*inputs_;
}

// A store that is away is no fault of the job's: it waits, as those in the queue do.
bool JobRun::AwaitStore() {
  MutexLock lock(mutex_);
  if (stop_ == StopReason::kNone) stopped_.wait_for(lock.native(), kStoreRetry);
  return stop_ == StopReason::kNone;
}

absl::Status JobRun::Note(JobUpdate update) {
  while (true) {
    const absl::StatusOr<Job> job = environment_.jobs.Update(job_.id, job_.epoch, update);
    if (job.ok()) {
      job_ = *job;
      return absl::OkStatus();
    }
    if (absl::IsAborted(job.status())) Stop(StopReason::kLost);
    if (!absl::IsUnavailable(job.status()) || !AwaitStore()) return job.status();
    const absl::StatusOr<bool> noted = Noted();
    if (absl::IsNotFound(noted.status())) return noted.status();
    if (noted.ok() && *noted) return absl::OkStatus();
  }
}

// Nobody else appends events to a job while it runs.
absl::StatusOr<bool> JobRun::Noted() {
  DVREN_ASSIGN_OR_RETURN(const Job now, environment_.jobs.Get("", job_.id));
  if (now.epoch != job_.epoch || now.state != JobState::kRunning || now.last_event == job_.last_event) return false;
  job_ = now;
  return true;
}

absl::Status JobRun::Log(const std::string& line) {
  JobUpdate update;
  JobEvent event;
  event.kind = JobEventKind::kLog;
  event.data = line;
  update.events.push_back(std::move(event));
  return Note(std::move(update));
}

JobEvent ProgressEvent(std::int64_t done, std::int64_t total,
                       const std::vector<std::pair<std::string, double>>& figures) {
  v1::JobProgress progress;
  progress.set_done(done);
  progress.set_total(total);
  for (const auto& [name, value] : figures) (*progress.mutable_figures())[name] = value;
  JobEvent event;
  event.kind = JobEventKind::kProgress;
  event.data = progress.SerializeAsString();
  return event;
}

}  // namespace dvren::server
