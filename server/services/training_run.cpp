#include "server/services/training_run.h"

#include <chrono>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/strip.h"
#include "server/metrics/metrics.h"

namespace dvren::server {
namespace {

// Long enough for the scheduler's own time not to count, short enough for an interactive render to wait for.
constexpr std::chrono::milliseconds kSlice{20};

}  // namespace

std::string OwnCheckpointName(const TrainingSession& session) {
  return absl::StrCat("session-", absl::StripPrefix(session.name(), "sessions/"));
}

absl::StatusOr<v1::Checkpoint> SaveSession(Stream& stream, const CheckpointStore& checkpoints, TrainingSession& session,
                                           const std::string& name) {
  DVREN_ASSIGN_OR_RETURN(const std::string path, checkpoints.PathToWrite(session.owner(), name));
  const std::int64_t step = session.trainer().steps_done();
  DVREN_RETURN_IF_ERROR(session.trainer().SaveCheckpoint(stream, path));
  session.Saved(step);
  v1::Checkpoint message;
  message.set_name(CheckpointName(name));
  message.set_step(step);
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (!error) message.set_bytes(bytes);
  return message;
}

absl::StatusOr<TrainingRun> TrainingRun::Begin(ServiceContext& context, const CheckpointStore& checkpoints,
                                               std::shared_ptr<TrainingSession> session, const std::string& who,
                                               std::function<void()> wake) {
  TrainingRun run(context, checkpoints, std::move(session));
  DVREN_ASSIGN_OR_RETURN(run.writer_, run.session_->BeginTraining(who, std::move(wake)));
  return run;
}

bool TrainingRun::stopping() const {
  return session_->closed() || context_->sessions.draining();
}

bool TrainingRun::MayRun() const {
  return stopping() || session_->MayStep();
}

absl::Status TrainingRun::CheckStopping(Stream& stream) {
  if (session_->closed()) {
    return absl::AbortedError(absl::StrCat("session = ", session_->name(), ": was closed at step ", session_->step()));
  }
  if (context_->sessions.draining()) {
    const auto saved = SaveSession(stream, *checkpoints_, *session_, OwnCheckpointName(*session_));
    if (!saved.ok()) {
      return absl::UnavailableError(absl::StrCat("the daemon is shutting down, and step ", session_->step(),
                                                 " could not be saved: ", saved.status().message()));
    }
    return absl::UnavailableError(absl::StrCat("the daemon is shutting down; step ", saved->step(), " is saved as ",
                                               saved->name(), ": create a session with that checkpoint to go on"));
  }
  return absl::OkStatus();
}

absl::Status TrainingRun::RunSlice(Stream& stream, std::int64_t until_step,
                                   const std::function<bool(const StepReport&)>& on_step, const TrainingBatch* batch) {
  DVREN_RETURN_IF_ERROR(CheckStopping(stream));
  Trainer& trainer = session_->trainer();
  const auto end = Clock::now() + kSlice;
  ReportSum sum;
  absl::Status status;
  bool go_on = true;
  while (go_on && trainer.steps_done() < until_step && (sum.steps() == 0 || Clock::now() < end)) {
    absl::StatusOr<StepReport> step = absl::InternalError("");
    try {
      step = batch != nullptr ? trainer.Step(stream, *batch) : trainer.Step(stream);
    } catch (const std::bad_alloc&) {
      step = absl::ResourceExhaustedError("train: no host memory left; train at a lower resolution");
    }
    status = step.status();
    if (!status.ok()) break;
    sum.Add(*step);
    go_on = on_step(*step);
  }
  if (sum.steps() == 0) return status;
  const v1::TrainReport report = sum.Report(0);
  session_->Trained(sum.Report(session_->train_seconds() + report.train_seconds()));
  context_->metrics.Kernel("train_step", stream.device()->info().id, static_cast<double>(report.rays()),
                           static_cast<double>(report.samples()), report.train_seconds());
  return status;
}

}  // namespace dvren::server
