#include "server/services/train_stream.h"

#include <cmath>
#include <utility>

namespace dvren::server {
namespace {

constexpr std::chrono::milliseconds kReportEvery{500};
constexpr std::int64_t kMaxReportSeconds = 3600;

}  // namespace

TrainStream* TrainStream::Start(ServiceContext& context, const CheckpointStore& checkpoints,
                                grpc::CallbackServerContext* call, const v1::StreamTrainRequest& request) {
  return ParkingStream::Begin(std::shared_ptr<TrainStream>(new TrainStream(context, call)),
                              [&](TrainStream& stream) { return stream.Submit(checkpoints, request); });
}

absl::Status TrainStream::Submit(const CheckpointStore& checkpoints, const v1::StreamTrainRequest& request) {
  DVREN_ASSIGN_OR_RETURN(const auto session, context_.sessions.Find(*scope_.tenant(), request.session()));
  until_step_ = request.until_step() == 0 ? session->last_step() : request.until_step();
  if (until_step_ < 1 || until_step_ > session->last_step()) {
    return InvalidField("until_step", request.until_step(),
                        absl::StrCat("must be 1 to the recipe's steps = ", session->last_step(), ", or 0 for these"));
  }
  report_every_steps_ = request.report_every_steps();
  if (report_every_steps_ < 0) {
    return InvalidField("report_every_steps", report_every_steps_, "must be > 0, or 0 to report by time alone");
  }
  if (request.has_report_every()) {
    const auto& every = request.report_every();
    if (every.seconds() < 0 || every.seconds() > kMaxReportSeconds || every.nanos() < 0 ||
        every.nanos() > 999'999'999 || (every.seconds() == 0 && every.nanos() == 0)) {
      return InvalidField("report_every", absl::StrCat(every.seconds(), " s ", every.nanos(), " ns"),
                          absl::StrCat("must be > 0 and at most ", kMaxReportSeconds, " s"));
    }
    report_every_ = std::chrono::seconds(every.seconds()) + std::chrono::nanoseconds(every.nanos());
  } else if (report_every_steps_ == 0) {
    report_every_ = kReportEvery;
  }
  max_train_seconds_ = request.max_train_seconds();
  if (!(max_train_seconds_ >= 0)) {
    return InvalidField("max_train_seconds", max_train_seconds_, "must be > 0, or 0 for no limit");
  }
  const auto wake = [weak = weak_from_this()] {
    if (const auto stream = weak.lock()) static_cast<TrainStream&>(*stream).Unpark();
  };
  DVREN_ASSIGN_OR_RETURN(run_,
                         TrainingRun::Begin(context_, checkpoints, session,
                                            absl::StrCat("StreamTrain (request ", scope_.request_id(), ")"), wake));
  const absl::Status submitted = ParkingStream::Submit(session->device(), WorkClass::kBatch);
  if (!submitted.ok()) run_->End();
  return submitted;
}

bool TrainStream::AtEnd() const {
  return run_->session().step() >= until_step_ || (max_train_seconds_ > 0 && train_seconds_ >= max_train_seconds_);
}

SliceResult TrainStream::RunSlice(Stream& stream) {
  if (!run_->stopping() && ShouldPark()) return SliceResult::kParked;
  if (!run_->MayRun()) return SliceResult::kParked;
  absl::Status status;
  if (!AtEnd()) {
    status = run_->RunSlice(stream, until_step_, [this](const StepReport& step) {
      unreported_.Add(step);
      train_seconds_ += step.wall_seconds;
      if (max_train_seconds_ > 0 && train_seconds_ >= max_train_seconds_) return false;
      return report_every_steps_ == 0 || unreported_.steps() < report_every_steps_;
    });
    const bool by_steps = report_every_steps_ > 0 && unreported_.steps() >= report_every_steps_;
    const bool by_time = report_every_.count() > 0 && Clock::now() - last_report_ >= report_every_;
    if (unreported_.steps() > 0 && (by_steps || by_time || AtEnd() || !status.ok())) Report();
    if (status.ok() && !AtEnd()) return SliceResult::kMore;
  }
  // Whoever hears of the end may train it.
  run_->End();
  if (status.ok()) {
    auto message = std::make_unique<v1::StreamTrainResponse>();
    *message->mutable_session() = context_.sessions.Describe(run_->session());
    Push(std::move(message));
  }
  run_.reset();
  End(status);
  return SliceResult::kDone;
}

void TrainStream::Report() {
  auto message = std::make_unique<v1::StreamTrainResponse>();
  *message->mutable_report() = unreported_.Report(run_->session().train_seconds());
  Push(std::move(message));
  unreported_ = ReportSum();
  last_report_ = Clock::now();
}

void TrainStream::Abort(const absl::Status& why) {
  run_.reset();
  End(why);
}

}  // namespace dvren::server
