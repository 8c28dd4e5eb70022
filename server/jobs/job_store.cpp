#include "server/jobs/job_store.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/jobs/mutex.h"
#include "server/jobs/retry_after.h"
#include "server/jobs/thread_annotations.h"

namespace dvren::server {
namespace {

constexpr int kTooManyJobsRetryMs = 5000;

JobEvent StateEvent(JobState state) {
  JobEvent event;
  event.kind = JobEventKind::kState;
  event.data = JobStateName(state);
  return event;
}

JobEvent LogEvent(std::string line) {
  JobEvent event;
  event.kind = JobEventKind::kLog;
  event.data = std::move(line);
  return event;
}

std::string Named(JobId id) {
  return absl::StrCat("job = jobs/", id);
}

absl::Status WrongState(const Job& job, absl::string_view remedy) {
  return absl::FailedPreconditionError(absl::StrCat(Named(job.id), ": is ", JobStateName(job.state), "; ", remedy));
}

// Moves the job. Whoever calls has made sure that it may go there.
void Go(Job& job, JobState to, std::int64_t now_ms, std::vector<JobEvent>& events) {
  job.state = to;
  events.push_back(StateEvent(to));
  if (to != JobState::kRunning) {
    job.daemon.clear();
    job.lease_until_ms = 0;
    job.cancel_requested = job.pause_requested = false;
  }
  job.finished_ms = IsFinished(to) ? now_ms : 0;
}

void SetError(Job& job, const absl::Status& error) {
  job.error_code = absl::StatusCodeToString(error.code());
  job.error_message = std::string(error.message());
}

}  // namespace

std::int64_t RetryDelayMs(int attempts) {
  constexpr std::int64_t kMost = 5 * 60 * 1000;
  std::int64_t delay = 1000;
  for (int i = 1; i < attempts && delay < kMost; ++i) delay *= 4;
  return std::min(delay, kMost);
}

// ---- who is told ----------------------------------------------------------------------------------------------------

struct JobStore::Subscribers {
  Mutex mutex;
  std::condition_variable returned;
  std::map<std::int64_t, std::function<void(JobId)>> callbacks DVREN_GUARDED_BY(mutex);
  std::map<std::int64_t, int> calls DVREN_GUARDED_BY(mutex);  // under way
  std::int64_t next DVREN_GUARDED_BY(mutex) = 1;

  void Notify(JobId id) {
    std::vector<std::pair<std::int64_t, std::function<void(JobId)>>> all;
    {
      MutexLock lock(mutex);
      for (const auto& [key, callback] : callbacks) {
        all.emplace_back(key, callback);
        ++calls[key];
      }
    }
    for (const auto& [key, callback] : all) {
      callback(id);
      MutexLock lock(mutex);
      if (--calls[key] == 0) calls.erase(key);
      returned.notify_all();
    }
  }
};

class JobStore::Subscription {
 public:
  Subscription(std::shared_ptr<Subscribers> subscribers, std::function<void(JobId)> changed)
      : subscribers_(std::move(subscribers)) {
    MutexLock lock(subscribers_->mutex);
    key_ = subscribers_->next++;
    subscribers_->callbacks.emplace(key_, std::move(changed));
  }
  ~Subscription() {
    MutexLock lock(subscribers_->mutex);
    subscribers_->callbacks.erase(key_);
    while (subscribers_->calls.count(key_) > 0) subscribers_->returned.wait(lock.native());
  }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  const std::shared_ptr<Subscribers> subscribers_;
  std::int64_t key_ = 0;
};

void JobStore::SubscriptionDeleter::operator()(Subscription* subscription) const {
  delete subscription;
}

JobStore::SubscriptionPtr JobStore::Subscribe(std::function<void(JobId)> changed) {
  return SubscriptionPtr(new Subscription(subscribers_, std::move(changed)));
}

void JobStore::Notify(JobId id) const {
  subscribers_->Notify(id);
}

JobStore::JobStore(std::unique_ptr<JobBackend> backend, WallClock clock)
    : backend_(std::move(backend)), clock_(std::move(clock)), subscribers_(std::make_shared<Subscribers>()) {
  backend_->Listen([subscribers = subscribers_](JobId id) { subscribers->Notify(id); });
}

JobStore::~JobStore() {
  backend_->Listen(nullptr);
}

// ---- changes --------------------------------------------------------------------------------------------------------

absl::Status JobStore::Apply(JobTransaction& transaction, Job& job, const Change& change,
                             const std::vector<JobArtifact>& artifacts) const {
  std::vector<JobEvent> events;
  DVREN_RETURN_IF_ERROR(change(job, events));
  const std::int64_t now = clock_();
  for (JobEvent& event : events) {
    event.number = ++job.last_event;
    event.time_ms = now;
  }
  DVREN_RETURN_IF_ERROR(transaction.Append(job.id, events));
  for (const JobArtifact& artifact : artifacts) DVREN_RETURN_IF_ERROR(transaction.PutArtifact(job.id, artifact));
  return transaction.Save(job);
}

absl::StatusOr<Job> JobStore::Mutate(const std::string& owner, JobId id, const Change& change,
                                     const std::vector<JobArtifact>& artifacts) {
  Job changed;
  const absl::Status written = backend_->Write([&](JobTransaction& transaction) -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(changed, transaction.Load(id));
    if (!owner.empty() && changed.owner != owner) {
      return absl::NotFoundError(absl::StrCat(Named(id), ": there is none; dvrenctl job list shows yours"));
    }
    return Apply(transaction, changed, change, artifacts);
  });
  if (!written.ok()) return written;
  Notify(id);
  return changed;
}

absl::StatusOr<SubmittedJob> JobStore::Submit(const JobSubmission& submission) {
  SubmittedJob result;
  const absl::Status written = backend_->Write([&](JobTransaction& transaction) -> absl::Status {
    result = SubmittedJob();
    const std::int64_t now = clock_();
    if (!submission.request_id.empty()) {
      DVREN_ASSIGN_OR_RETURN(const std::optional<JobId> there,
                             transaction.FindRequest(submission.owner, submission.request_id));
      if (there) {
        DVREN_ASSIGN_OR_RETURN(Job job, transaction.Load(*there));
        // A clock that was set back does not make it older.
        if (now - job.created_ms < kRequestMs) {
          if (job.kind != submission.kind || job.spec != submission.spec) {
            return absl::AlreadyExistsError(absl::StrCat("request_id = ", submission.request_id, ": was used for ",
                                                         Named(job.id), ", which is another; choose a new id"));
          }
          result = {std::move(job), true};
          return absl::OkStatus();
        }
        job.request_id.clear();
        DVREN_RETURN_IF_ERROR(transaction.Save(job));
      }
    }
    if (submission.max_unfinished > 0) {
      DVREN_ASSIGN_OR_RETURN(const std::int64_t unfinished, transaction.CountUnfinished(submission.owner));
      if (unfinished >= submission.max_unfinished) {
        return WithRetryAfter(absl::ResourceExhaustedError(absl::StrCat(
                                  "jobs.max_unfinished = ", submission.max_unfinished, ": tenant ", submission.owner,
                                  " has as many; wait until one is done, or cancel some")),
                              kTooManyJobsRetryMs);
      }
    }
    Job& job = result.job;
    job.owner = submission.owner;
    job.kind = submission.kind;
    job.title = submission.title;
    job.spec = submission.spec;
    job.work_class = submission.work_class;
    job.priority = submission.priority;
    job.max_attempts = submission.max_attempts;
    job.total = submission.total;
    job.request_id = submission.request_id;
    job.created_ms = now;
    job.last_event = 1;
    DVREN_ASSIGN_OR_RETURN(job.id, transaction.Insert(job));
    for (const JobArtifact& input : submission.inputs) {
      DVREN_RETURN_IF_ERROR(transaction.PutArtifact(job.id, input));
    }
    JobEvent queued = StateEvent(JobState::kQueued);
    queued.number = 1;
    queued.time_ms = now;
    return transaction.Append(job.id, {queued});
  });
  if (!written.ok()) return written;
  if (!result.existed) Notify(result.job.id);
  return result;
}

absl::StatusOr<Job> JobStore::Get(const std::string& owner, JobId id) {
  DVREN_ASSIGN_OR_RETURN(Job job, backend_->Get(id));
  if (!owner.empty() && job.owner != owner) {
    return absl::NotFoundError(absl::StrCat(Named(id), ": there is none; dvrenctl job list shows yours"));
  }
  return job;
}

absl::StatusOr<std::vector<Job>> JobStore::List(const JobQuery& query) {
  return backend_->List(query);
}

absl::StatusOr<std::vector<JobEvent>> JobStore::Events(JobId id, std::int64_t from, int limit) {
  return backend_->Events(id, from, limit);
}

absl::StatusOr<std::vector<JobArtifact>> JobStore::Artifacts(JobId id) {
  return backend_->Artifacts(id);
}

absl::StatusOr<Job> JobStore::Cancel(const std::string& owner, JobId id) {
  return Mutate(owner, id, [this](Job& job, std::vector<JobEvent>& events) -> absl::Status {
    if (job.state == JobState::kCancelled) return absl::OkStatus();
    if (IsFinished(job.state)) return WrongState(job, "there is nothing to cancel");
    if (job.state == JobState::kRunning) {
      job.cancel_requested = true;
    } else {
      Go(job, JobState::kCancelled, clock_(), events);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<Job> JobStore::Pause(const std::string& owner, JobId id) {
  return Mutate(owner, id, [this](Job& job, std::vector<JobEvent>& events) -> absl::Status {
    if (job.state == JobState::kPaused) return absl::OkStatus();
    if (IsFinished(job.state)) return WrongState(job, "there is nothing to pause");
    if (job.state == JobState::kRunning) {
      job.pause_requested = true;
    } else {
      Go(job, JobState::kPaused, clock_(), events);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<Job> JobStore::Resume(const std::string& owner, JobId id) {
  return Mutate(owner, id, [this](Job& job, std::vector<JobEvent>& events) -> absl::Status {
    if (IsFinished(job.state)) return WrongState(job, "dvrenctl job retry queues it again");
    job.pause_requested = false;
    if (job.state == JobState::kPaused) {
      job.not_before_ms = 0;
      Go(job, JobState::kQueued, clock_(), events);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<Job> JobStore::Retry(const std::string& owner, JobId id) {
  return Mutate(owner, id, [this](Job& job, std::vector<JobEvent>& events) -> absl::Status {
    if (job.state != JobState::kFailed && job.state != JobState::kCancelled) {
      return WrongState(job, "only a job that has failed or was cancelled can be tried again");
    }
    job.attempts = job.crashes = 0;
    job.not_before_ms = 0;
    job.error_code.clear();
    job.error_message.clear();
    Go(job, JobState::kQueued, clock_(), events);
    return absl::OkStatus();
  });
}

absl::StatusOr<Job> JobStore::SetPriority(const std::string& owner, JobId id, int priority) {
  return Mutate(owner, id, [priority](Job& job, std::vector<JobEvent>&) -> absl::Status {
    if (IsFinished(job.state)) return WrongState(job, "its priority does not matter any more");
    job.priority = priority;
    return absl::OkStatus();
  });
}

// ---- daemons --------------------------------------------------------------------------------------------------------

absl::StatusOr<std::vector<Job>> JobStore::Heads() {
  return backend_->Heads(clock_());
}

absl::StatusOr<Job> JobStore::Claim(JobId id, const std::string& daemon, std::int64_t lease_ms) {
  return Mutate("", id, [&](Job& job, std::vector<JobEvent>& events) -> absl::Status {
    const std::int64_t now = clock_();
    if (job.state != JobState::kQueued || job.not_before_ms > now) {
      return absl::AbortedError(absl::StrCat(Named(id), ": cannot be claimed, it is ", JobStateName(job.state)));
    }
    Go(job, JobState::kRunning, now, events);
    ++job.attempts;
    ++job.epoch;
    job.daemon = daemon;
    job.lease_until_ms = now + lease_ms;
    job.started_ms = now;
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<JobId>> JobStore::Renew(const std::string& daemon, std::int64_t lease_ms) {
  std::vector<JobId> held;
  const absl::Status written = backend_->Write([&](JobTransaction& transaction) -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(held, transaction.RunningOf(daemon));
    for (const JobId id : held) {
      DVREN_ASSIGN_OR_RETURN(Job job, transaction.Load(id));
      if (job.state != JobState::kRunning || job.daemon != daemon) continue;
      job.lease_until_ms = clock_() + lease_ms;
      DVREN_RETURN_IF_ERROR(transaction.Save(job));
    }
    return absl::OkStatus();
  });
  if (!written.ok()) return written;
  return held;
}

absl::StatusOr<Job> JobStore::MutateRunning(JobId id, std::int64_t epoch, JobUpdate update, const Change& change) {
  return Mutate(
      "", id,
      [&](Job& job, std::vector<JobEvent>& events) -> absl::Status {
        if (job.state != JobState::kRunning || job.epoch != epoch) {
          return absl::AbortedError(absl::StrCat(Named(id), ": was taken away; what claim ", epoch,
                                                 " has to say does not count (it is ", JobStateName(job.state),
                                                 ", claim ", job.epoch, ")"));
        }
        if (update.done) job.done = *update.done;
        if (update.total) job.total = *update.total;
        if (update.resume) job.resume = *update.resume;
        events = update.events;
        for (const JobArtifact& artifact : update.artifacts) {
          if (IsInput(artifact.name)) continue;
          JobEvent event;
          event.kind = JobEventKind::kArtifact;
          event.data = artifact.name;
          events.push_back(std::move(event));
        }
        return change(job, events);
      },
      update.artifacts);
}

absl::StatusOr<Job> JobStore::Update(JobId id, std::int64_t epoch, JobUpdate update) {
  return MutateRunning(id, epoch, std::move(update),
                       [](Job&, std::vector<JobEvent>&) -> absl::Status { return absl::OkStatus(); });
}

absl::StatusOr<Job> JobStore::Finish(JobId id, std::int64_t epoch, JobUpdate last, bool cancelled) {
  return MutateRunning(id, epoch, std::move(last), [&](Job& job, std::vector<JobEvent>& events) -> absl::Status {
    Go(job, cancelled ? JobState::kCancelled : JobState::kSucceeded, clock_(), events);
    if (!cancelled) {
      job.error_code.clear();
      job.error_message.clear();
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<Job> JobStore::Return(JobId id, std::int64_t epoch, const JobReturn& how) {
  return MutateRunning(id, epoch, {}, [&](Job& job, std::vector<JobEvent>& events) -> absl::Status {
    const std::int64_t now = clock_();
    using Reason = JobReturn::Reason;
    if (how.reason == Reason::kFailed || how.reason == Reason::kRefused) {
      SetError(job, how.error);
      events.push_back(LogEvent(absl::StrCat("attempt ", job.attempts, " failed: ", how.error.message())));
    }
    if (job.cancel_requested) {
      Go(job, JobState::kCancelled, now, events);
      return absl::OkStatus();
    }
    switch (how.reason) {
      case Reason::kRefused:
        Go(job, JobState::kFailed, now, events);
        break;
      case Reason::kFailed:
        if (job.attempts >= job.max_attempts) {
          Go(job, JobState::kFailed, now, events);
        } else {
          job.not_before_ms = now + RetryDelayMs(job.attempts);
          Go(job, job.pause_requested ? JobState::kPaused : JobState::kQueued, now, events);
        }
        break;
      case Reason::kPaused:
      case Reason::kDrained:
        --job.attempts;
        Go(job, how.reason == Reason::kPaused || job.pause_requested ? JobState::kPaused : JobState::kQueued, now,
           events);
        break;
    }
    return absl::OkStatus();
  });
}

absl::Status JobStore::Recover(JobTransaction& transaction, JobId id, std::vector<Job>& recovered) const {
  DVREN_ASSIGN_OR_RETURN(Job job, transaction.Load(id));
  if (job.state != JobState::kRunning) return absl::OkStatus();
  const Change change = [this](Job& lost, std::vector<JobEvent>& events) -> absl::Status {
    const std::int64_t now = clock_();
    ++lost.crashes;
    events.push_back(LogEvent(absl::StrCat("daemon ", lost.daemon, " died during attempt ", lost.attempts)));
    if (lost.cancel_requested) {
      Go(lost, JobState::kCancelled, now, events);
    } else if (lost.crashes >= kMaxCrashes || lost.attempts >= lost.max_attempts) {
      SetError(lost, absl::AbortedError(absl::StrCat("its daemon died ", lost.crashes, " times while it ran, in ",
                                                     lost.attempts,
                                                     " attempts; it is set aside: dvrenctl job retry tries again")));
      Go(lost, JobState::kFailed, now, events);
    } else {
      lost.not_before_ms = 0;
      Go(lost, lost.pause_requested ? JobState::kPaused : JobState::kQueued, now, events);
    }
    return absl::OkStatus();
  };
  DVREN_RETURN_IF_ERROR(Apply(transaction, job, change, {}));
  recovered.push_back(std::move(job));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Job>> JobStore::RecoverOwn(const std::string& daemon) {
  std::vector<Job> recovered;
  const absl::Status written = backend_->Write([&](JobTransaction& transaction) -> absl::Status {
    recovered.clear();
    DVREN_ASSIGN_OR_RETURN(const std::vector<JobId> ids, transaction.RunningOf(daemon));
    for (const JobId id : ids) DVREN_RETURN_IF_ERROR(Recover(transaction, id, recovered));
    return absl::OkStatus();
  });
  if (!written.ok()) return written;
  for (const Job& job : recovered) Notify(job.id);
  return recovered;
}

absl::StatusOr<std::vector<Job>> JobStore::RecoverExpired() {
  std::vector<Job> recovered;
  const absl::Status written = backend_->Write([&](JobTransaction& transaction) -> absl::Status {
    recovered.clear();
    const std::int64_t now = clock_();
    DVREN_ASSIGN_OR_RETURN(const std::vector<JobId> ids, transaction.Expired(now));
    for (const JobId id : ids) {
      DVREN_ASSIGN_OR_RETURN(const Job job, transaction.Load(id));
      // Renewed in between.
      if (job.lease_until_ms < now) DVREN_RETURN_IF_ERROR(Recover(transaction, id, recovered));
    }
    return absl::OkStatus();
  });
  if (!written.ok()) return written;
  for (const Job& job : recovered) Notify(job.id);
  return recovered;
}

absl::StatusOr<int> JobStore::Prune(std::int64_t age_ms) {
  constexpr int kAtOnce = 256;  // so that others need not wait long for the writer
  int pruned = 0;
  const std::int64_t before = clock_() - age_ms;
  while (true) {
    DVREN_ASSIGN_OR_RETURN(const std::vector<JobId> ids, backend_->FinishedBefore(before, kAtOnce));
    if (ids.empty()) return pruned;
    int deleted = 0;
    const absl::Status written = backend_->Write([&](JobTransaction& transaction) -> absl::Status {
      deleted = 0;
      for (const JobId id : ids) {
        const absl::StatusOr<Job> job = transaction.Load(id);
        if (absl::IsNotFound(job.status())) continue;
        DVREN_RETURN_IF_ERROR(job.status());
        // Tried again in between, and maybe done again.
        if (!IsFinished(job->state) || job->finished_ms >= before) continue;
        DVREN_RETURN_IF_ERROR(transaction.Delete(id));
        ++deleted;
      }
      return absl::OkStatus();
    });
    if (!written.ok()) return written;
    pruned += deleted;
  }
}

}  // namespace dvren::server
