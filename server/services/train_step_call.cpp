#include "server/services/train_step_call.h"

#include <algorithm>
#include <utility>

#include "server/codec/training_exchange_codec.h"

namespace dvren::server {
namespace {

constexpr std::int64_t kMaxSteps = 10'000;

}  // namespace

TrainStepCall* TrainStepCall::Start(ServiceContext& context, const CheckpointStore& checkpoints,
                                    grpc::CallbackServerContext* call, const v1::TrainStepRequest* request,
                                    v1::TrainStepResponse* response) {
  const std::shared_ptr<TrainStepCall> step(new TrainStepCall(context, call, response));
  step->self_ = step;
  const absl::StatusOr<bool> submitted = step->Submit(checkpoints, *request);
  if (!submitted.ok() || !*submitted) step->FinishCall(submitted.status());
  return step.get();
}

absl::StatusOr<bool> TrainStepCall::Submit(const CheckpointStore& checkpoints, const v1::TrainStepRequest& request) {
  if (!scope_.tenant().ok()) return scope_.tenant().status();
  DVREN_ASSIGN_OR_RETURN(const auto session, context_.sessions.Find(*scope_.tenant(), request.session()));
  const std::int64_t steps = request.steps() == 0 ? 1 : request.steps();
  if (steps < 1 || steps > kMaxSteps) {
    return InvalidField("steps", steps, absl::StrCat("must be 1 to ", kMaxSteps, "; StreamTrain takes more"));
  }
  if (request.has_rays()) {
    DVREN_ASSIGN_OR_RETURN(batch_, DecodeTrainingRays(request.rays()));
  } else if (!session->has_dataset()) {
    return absl::FailedPreconditionError(
        absl::StrCat("rays = absent: ", session->name(), " has no dataset to draw rays from; give rays and targets"));
  }
  const auto wake = [weak = weak_from_this()] {
    if (const auto call = weak.lock()) call->Unpark();
  };
  const auto done_already = [&](std::int64_t at) {
    // As far as the recipe goes, which may be less than was asked for.
    return request.has_expected_step() && at > request.expected_step() &&
           at == std::min(request.expected_step() + steps, session->last_step());
  };
  DVREN_ASSIGN_OR_RETURN(run_, TrainingRun::Begin(context_, checkpoints, session,
                                                  absl::StrCat("TrainStep (request ", scope_.request_id(), ")"), wake));
  // Nobody else moves it from here on.
  const std::int64_t step = session->step();
  if (done_already(step)) {
    run_.reset();
    FillResponse(*session);
    return false;
  }
  if (request.has_expected_step() && request.expected_step() != step) {
    run_.reset();
    return absl::AbortedError(absl::StrCat("expected_step = ", request.expected_step(), ": ", session->name(),
                                           " is at step ", step, "; get the session again"));
  }
  if (step >= session->last_step()) {
    run_.reset();
    return absl::FailedPreconditionError(
        absl::StrCat("session = ", session->name(), ": has done all ", session->last_step(), " steps of its recipe"));
  }
  until_step_ = std::min(step + steps, session->last_step());
  WorkOptions options;
  options.label = "TrainingService/TrainStep";
  options.tenant = *scope_.tenant();
  options.work_class = WorkClass::kNormal;
  options.deadline = scope_.deadline();
  options.device = session->device();
  const absl::StatusOr<WorkId> work = context_.scheduler.Submit(shared_from_this(), std::move(options));
  if (!work.ok()) {
    run_.reset();
    return work.status();
  }
  MutexLock lock(mutex_);
  work_ = *work;
  return true;
}

SliceResult TrainStepCall::RunSlice(Stream& stream) {
  if (!run_->MayRun()) return SliceResult::kParked;
  const auto on_step = [this](const StepReport& step) {
    sum_.Add(step);
    return true;
  };
  const absl::Status status = run_->RunSlice(stream, until_step_, on_step, batch_ ? &*batch_ : nullptr);
  if (status.ok() && run_->session().step() < until_step_) return SliceResult::kMore;
  run_->End();
  FillResponse(run_->session());
  FinishCall(status);
  return SliceResult::kDone;
}

void TrainStepCall::Abort(const absl::Status& why) {
  run_.reset();
  FinishCall(why);
}

void TrainStepCall::FillResponse(const TrainingSession& session) {
  if (sum_.steps() > 0) *response_->mutable_report() = sum_.Report(session.train_seconds());
  response_->set_step(session.step());
  response_->set_finished(session.step() >= session.last_step());
}

void TrainStepCall::Unpark() {
  std::optional<WorkId> work;
  {
    MutexLock lock(mutex_);
    work = work_;
  }
  if (work) context_.scheduler.Unpark(*work);
}

void TrainStepCall::OnCancel() {
  std::optional<WorkId> work;
  {
    MutexLock lock(mutex_);
    work = work_;
  }
  if (work) context_.scheduler.Cancel(*work);
}

void TrainStepCall::FinishCall(const absl::Status& status) {
  Finish(scope_.Finish(status));
}

}  // namespace dvren::server
