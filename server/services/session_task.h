// SessionTask: one function that changes a training session, as a piece of work for its device. It has the right to
// train while it lasts and waits, parked, until nobody looks at the values.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/services/training_run.h"

namespace dvren::server {

class SessionTask final : public Work, public std::enable_shared_from_this<SessionTask> {
 public:
  // `run` is called on the session's device worker; `done` with its outcome, or alone when it never gets there. By then
  // others may train.
  SessionTask(std::function<absl::Status(Stream&, TrainingSession&)> run, std::function<void(const absl::Status&)> done)
      : run_(std::move(run)), done_(std::move(done)) {}

  // Takes the right to train. Nobody else moves the session from here on, until the task is gone.
  [[nodiscard]] absl::Status Begin(ServiceContext& context, const CheckpointStore& checkpoints,
                                   const std::shared_ptr<TrainingSession>& session, const std::string& who);
  // After an error `done` is not called.
  [[nodiscard]] absl::StatusOr<WorkId> Submit(Scheduler& scheduler, WorkOptions options);

  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;

 private:
  void Wake();
  void Finish(const absl::Status& status);

  const std::function<absl::Status(Stream&, TrainingSession&)> run_;
  const std::function<void(const absl::Status&)> done_;
  std::optional<TrainingRun> training_;  // until it is done

  Mutex mutex_;
  Scheduler* scheduler_ DVREN_GUARDED_BY(mutex_) = nullptr;
  WorkId work_ DVREN_GUARDED_BY(mutex_) = 0;
};

// ABORTED unless the session is at `expected_step`, where there is one.
[[nodiscard]] absl::Status CheckStep(const TrainingSession& session, std::optional<std::int64_t> expected_step,
                                     const std::string& path);

}  // namespace dvren::server
