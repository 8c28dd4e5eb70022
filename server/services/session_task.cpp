#include "server/services/session_task.h"

#include <new>
#include <utility>

namespace dvren::server {

absl::Status SessionTask::Begin(ServiceContext& context, const CheckpointStore& checkpoints,
                                const std::shared_ptr<TrainingSession>& session, const std::string& who) {
  const auto wake = [weak = weak_from_this()] {
    if (const auto task = weak.lock()) task->Wake();
  };
  DVREN_ASSIGN_OR_RETURN(training_, TrainingRun::Begin(context, checkpoints, session, who, wake));
  return absl::OkStatus();
}

absl::StatusOr<WorkId> SessionTask::Submit(Scheduler& scheduler, WorkOptions options) {
  options.device = training_->session().device();
  DVREN_ASSIGN_OR_RETURN(const WorkId work, scheduler.Submit(shared_from_this(), std::move(options)));
  {
    MutexLock lock(mutex_);
    scheduler_ = &scheduler;
    work_ = work;
  }
  Wake();  // for what may have come before the id was known
  return work;
}

SliceResult SessionTask::RunSlice(Stream& stream) {
  if (!training_->MayRun()) return SliceResult::kParked;
  absl::Status status = training_->CheckStopping(stream);
  if (status.ok()) {
    try {
      status = run_(stream, training_->session());
    } catch (const std::bad_alloc&) {
      status = absl::ResourceExhaustedError("session: no host memory left; train at a lower resolution");
    }
  }
  Finish(status);
  return SliceResult::kDone;
}

void SessionTask::Abort(const absl::Status& why) {
  Finish(why);
}

void SessionTask::Wake() {
  Scheduler* scheduler = nullptr;
  WorkId work = 0;
  {
    MutexLock lock(mutex_);
    scheduler = scheduler_;
    work = work_;
  }
  if (scheduler != nullptr) scheduler->Unpark(work);
}

void SessionTask::Finish(const absl::Status& status) {
  training_.reset();  // whoever hears of the end may train it
  done_(status);
}

absl::Status CheckStep(const TrainingSession& session, std::optional<std::int64_t> expected_step,
                       const std::string& path) {
  const std::int64_t step = session.step();
  if (!expected_step || *expected_step == step) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat(path, " = ", *expected_step, ": ", session.name(), " is at step ", step, "; get the session again"));
}

}  // namespace dvren::server
