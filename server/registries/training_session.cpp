#include "server/registries/training_session.h"

#include <utility>

namespace dvren::server {

TrainingSession::TrainingSession(SessionParts parts, std::string name, std::shared_ptr<TimeSource> time)
    : parts_(std::move(parts)),
      name_(std::move(name)),
      time_(std::move(time)),
      step_(parts_.description.step()),
      saved_step_(parts_.description.step()),
      used_(time_->Now()) {}

v1::Session TrainingSession::Describe() const {
  v1::Session message = parts_.description;
  message.set_name(name_);
  message.set_bytes(parts_.charge.bytes());
  MutexLock lock(mutex_);
  message.set_step(step_);
  message.set_finished(step_ >= last_step());
  message.set_busy(busy_);
  if (last_report_) *message.mutable_last_report() = *last_report_;
  return message;
}

std::int64_t TrainingSession::step() const {
  MutexLock lock(mutex_);
  return step_;
}

double TrainingSession::train_seconds() const {
  MutexLock lock(mutex_);
  return last_report_ ? last_report_->total_train_seconds() : 0;
}

TrainingSession::Writer& TrainingSession::Writer::operator=(Writer&& other) noexcept {
  if (this != &other) {
    Release();
    session_ = std::move(other.session_);
  }
  return *this;
}

void TrainingSession::Writer::Release() {
  if (const std::shared_ptr<TrainingSession> session = std::move(session_)) session->EndTraining();
}

absl::StatusOr<TrainingSession::Writer> TrainingSession::BeginTraining(const std::string& who,
                                                                       std::function<void()> wake) {
  {
    MutexLock lock(mutex_);
    if (!busy_.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("session = ", name_, ": is being trained by ", busy_, "; wait until that is done or cancel it"));
    }
    busy_ = who;
    wake_ = std::move(wake);
  }
  return Writer(shared_from_this());
}

void TrainingSession::EndTraining() {
  std::function<void()> gone;  // what it holds is freed after the lock is gone
  MutexLock lock(mutex_);
  busy_.clear();
  gone = std::exchange(wake_, nullptr);
  used_ = time_->Now();
  lock.Unlock();
}

bool TrainingSession::MayStep() const {
  MutexLock lock(mutex_);
  return holds_ == 0;
}

void TrainingSession::Trained(const v1::TrainReport& report) {
  MutexLock lock(mutex_);
  step_ = report.step();
  last_report_ = report;
}

void TrainingSession::Changed() {
  MutexLock lock(mutex_);
  saved_step_ = -1;
}

void TrainingSession::Restored(std::int64_t step) {
  MutexLock lock(mutex_);
  step_ = saved_step_ = step;
  last_report_.reset();
}

void TrainingSession::Wake() {
  std::function<void()> wake;
  {
    MutexLock lock(mutex_);
    wake = wake_;
  }
  if (wake) wake();
}

TrainingSession::Hold TrainingSession::HoldValues() {
  {
    MutexLock lock(mutex_);
    ++holds_;
  }
  return {static_cast<const void*>(this), [session = shared_from_this()](const void*) { session->EndHold(); }};
}

void TrainingSession::EndHold() {
  bool last = false;
  {
    MutexLock lock(mutex_);
    last = --holds_ == 0;
    used_ = time_->Now();
  }
  if (last) Wake();
}

void TrainingSession::Saved(std::int64_t step) {
  MutexLock lock(mutex_);
  saved_step_ = step;
}

bool TrainingSession::has_unsaved_steps() const {
  MutexLock lock(mutex_);
  return step_ != saved_step_;
}

void TrainingSession::Close() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
  }
  Wake();
}

bool TrainingSession::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

void TrainingSession::Touch() {
  MutexLock lock(mutex_);
  used_ = time_->Now();
}

std::optional<Clock::time_point> TrainingSession::idle_since() const {
  MutexLock lock(mutex_);
  if (!busy_.empty() || holds_ > 0) return std::nullopt;
  return used_;
}

}  // namespace dvren::server
