#include "server/services/job_watch.h"

#include <utility>
#include <vector>

#include "server/codec/job_codec.h"
#include "server/services/job_results.h"

namespace dvren::server {
namespace {

constexpr int kAtOnce = 64;  // events of one read

}  // namespace

void JobWatchHub::Add(JobId id, const std::shared_ptr<JobWatch>& watch) {
  MutexLock lock(mutex_);
  watches_[id].insert(watch);
}

void JobWatchHub::Remove(JobId id, const std::shared_ptr<JobWatch>& watch) {
  MutexLock lock(mutex_);
  const auto it = watches_.find(id);
  if (it == watches_.end()) return;
  it->second.erase(watch);
  if (it->second.empty()) watches_.erase(it);
}

void JobWatchHub::Changed(JobId id) {
  std::vector<std::shared_ptr<JobWatch>> watches;
  {
    MutexLock lock(mutex_);
    const auto it = watches_.find(id);
    if (it == watches_.end()) return;
    watches.assign(it->second.begin(), it->second.end());
  }
  for (const std::shared_ptr<JobWatch>& watch : watches) watch->Wake();
}

JobWatch* JobWatch::Start(const JobEnvironment& environment, JobWatchHub& hub, WorkerPool& pool,
                          grpc::CallbackServerContext* call, const v1::WatchJobRequest& request) {
  const auto watch = std::shared_ptr<JobWatch>(new JobWatch(environment, hub, pool, call));
  watch->self_ = watch;
  if (const absl::Status status = watch->Begin(request); !status.ok()) {
    watch->FinishCall(status);
    return watch.get();
  }
  hub.Add(watch->id_, watch);
  watch->Wake();
  return watch.get();
}

absl::Status JobWatch::Begin(const v1::WatchJobRequest& request) {
  if (!scope_.tenant().ok()) return scope_.tenant().status();
  DVREN_ASSIGN_OR_RETURN(id_, DecodeJobName(request.name()));
  DVREN_RETURN_IF_ERROR(jobs_.Get(*scope_.tenant(), id_).status());
  if (request.from_event() < 0) return InvalidField("from_event", request.from_event(), "must be >= 0");
  next_ = request.from_event() == 0 ? 1 : request.from_event();
  return absl::OkStatus();
}

void JobWatch::Wake() {
  MutexLock lock(mutex_);
  news_ = true;
  if (!reading_ && outbound_.empty() && !ended_) PostRead();
}

void JobWatch::PostRead() {
  reading_ = true;
  news_ = false;
  if (pool_.Post([self = shared_from_this()] { self->Read(); })) return;
  // Nothing is lost: the next change, or the next call, reads it.
  reading_ = false;
  news_ = true;
}

absl::StatusOr<bool> JobWatch::ReadEvents(std::deque<v1::WatchJobResponse>& events) {
  DVREN_ASSIGN_OR_RETURN(const std::vector<JobEvent> read, jobs_.Events(id_, next_, kAtOnce));
  std::vector<JobArtifact> artifacts;
  for (const JobEvent& event : read) {
    if (event.kind == JobEventKind::kArtifact && artifacts.empty()) {
      DVREN_ASSIGN_OR_RETURN(artifacts, jobs_.Artifacts(id_));
    }
    // Who hears that it has succeeded shall find what it has made.
    if (results_ != nullptr && event.kind == JobEventKind::kState && event.data == JobStateName(JobState::kSucceeded)) {
      DVREN_ASSIGN_OR_RETURN(const Job job, jobs_.Get("", id_));
      results_->Bring(job);
    }
    *events.emplace_back().mutable_event() = EncodeJobEvent(event, artifacts);
    next_ = event.number + 1;
  }
  if (!events.empty()) return false;
  DVREN_ASSIGN_OR_RETURN(const Job job, jobs_.Get("", id_));
  return IsFinished(job.state) && job.last_event < next_;
}

void JobWatch::Read() {
  std::deque<v1::WatchJobResponse> events;
  const absl::StatusOr<bool> over = ReadEvents(events);
  const v1::WatchJobResponse* write = nullptr;
  {
    MutexLock lock(mutex_);
    reading_ = false;
    if (ended_) return;
    if (!events.empty()) {
      outbound_ = std::move(events);
      write = &outbound_.front();
    } else if (over.ok() && !*over) {
      if (news_) PostRead();
      return;
    }
  }
  if (write != nullptr) {
    StartWrite(write);
  } else {
    End(over.status());
  }
}

void JobWatch::OnWriteDone(bool ok) {
  const v1::WatchJobResponse* write = nullptr;
  std::optional<absl::Status> finish;
  {
    MutexLock lock(mutex_);
    outbound_.pop_front();
    if (ended_ || !ok) {
      outbound_.clear();
      if (!ended_) ended_ = absl::CancelledError("the caller went away");
      finish = ended_;
    } else if (!outbound_.empty()) {
      write = &outbound_.front();
    } else {
      PostRead();
    }
  }
  if (write != nullptr) StartWrite(write);
  if (finish) FinishCall(*finish);
}

void JobWatch::OnCancel() {
  End(absl::CancelledError("the caller went away"));
}

void JobWatch::End(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    if (ended_) return;
    ended_ = status;
    if (!outbound_.empty()) return;  // OnWriteDone finishes
  }
  FinishCall(status);
}

void JobWatch::FinishCall(const absl::Status& status) {
  hub_.Remove(id_, shared_from_this());
  Finish(scope_.Finish(status));
}

}  // namespace dvren::server
