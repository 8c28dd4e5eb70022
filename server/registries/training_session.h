// TrainingSession: a trainer that is kept between calls, and who uses it. One call at a time trains it; while others
// look at its values (renders, evaluations, copies), which change with every step, training waits between its slices.
//
// All that touches the trainer runs on the worker of the session's one device: what is guarded here is what lasts
// longer than a slice. Thread-safe but for trainer().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dvren/io/dataset.h"
#include "dvren/train/trainer.h"
#include "dvren/v1/training_service.pb.h"
#include "server/jobs/mutex.h"
#include "server/jobs/thread_annotations.h"
#include "server/jobs/time_source.h"
#include "server/registries/byte_budget.h"

namespace dvren::server {

// What a session is made of.
struct SessionParts {
  v1::Session description;  // carries owner, field, recipe, dataset, dataset_report, device; step where it begins
  std::shared_ptr<const io::PhotoSet> photos;
  std::shared_ptr<Trainer> trainer;
  ByteCharge charge;
};

class TrainingSession : public std::enable_shared_from_this<TrainingSession> {
 public:
  TrainingSession(SessionParts parts, std::string name, std::shared_ptr<TimeSource> time);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& owner() const { return parts_.description.owner(); }
  [[nodiscard]] const std::string& field() const { return parts_.description.field(); }
  [[nodiscard]] const std::string& device() const { return parts_.description.device(); }
  [[nodiscard]] bool has_dataset() const { return parts_.description.has_dataset(); }
  [[nodiscard]] const v1::DatasetSource& dataset() const { return parts_.description.dataset(); }
  [[nodiscard]] const v1::DatasetReport& dataset_report() const { return parts_.description.dataset_report(); }
  [[nodiscard]] const std::shared_ptr<const io::PhotoSet>& photos() const { return parts_.photos; }
  [[nodiscard]] std::int64_t last_step() const { return parts_.description.recipe().steps(); }
  // On the device's worker.
  [[nodiscard]] Trainer& trainer() const { return *parts_.trainer; }

  // As it is now, but for expire_time.
  [[nodiscard]] v1::Session Describe() const;
  [[nodiscard]] std::int64_t step() const;
  [[nodiscard]] double train_seconds() const;

  // The right to train; given back when it goes.
  class Writer {
   public:
    Writer() = default;
    Writer(Writer&&) noexcept = default;
    Writer& operator=(Writer&& other) noexcept;
    ~Writer() { Release(); }
    void Release();

   private:
    friend class TrainingSession;
    explicit Writer(std::shared_ptr<TrainingSession> session) : session_(std::move(session)) {}
    std::shared_ptr<TrainingSession> session_;
  };
  // `who` is told to others that come meanwhile. `wake` is called, with no lock held and maybe for nothing, when a
  // slice that MayStep held up can go on, or has to see that something ended it. FAILED_PRECONDITION when somebody
  // trains it.
  [[nodiscard]] absl::StatusOr<Writer> BeginTraining(const std::string& who, std::function<void()> wake);
  // Whether nobody looks at the values just now.
  [[nodiscard]] bool MayStep() const;
  // After each report's steps.
  void Trained(const v1::TrainReport& report);
  // Its values are others, and so far nobody has saved them.
  void Changed();
  // It is where a checkpoint was, of that step.
  void Restored(std::int64_t step);
  void Wake();

  // Holds the values as they are, and the session, until it goes.
  using Hold = std::shared_ptr<const void>;
  [[nodiscard]] Hold HoldValues();

  // What has been saved or published is not lost with the session.
  void Saved(std::int64_t step);
  [[nodiscard]] bool has_unsaved_steps() const;
  // Set once it is closed: whoever still trains it stops.
  void Close();
  [[nodiscard]] bool closed() const;
  // It was used now.
  void Touch();
  // Since when nobody uses it; absent while somebody does.
  [[nodiscard]] std::optional<Clock::time_point> idle_since() const;

 private:
  void EndTraining();
  void EndHold();

  const SessionParts parts_;
  const std::string name_;
  const std::shared_ptr<TimeSource> time_;

  mutable Mutex mutex_;
  std::string busy_ DVREN_GUARDED_BY(mutex_);  // "" when nobody trains
  std::function<void()> wake_ DVREN_GUARDED_BY(mutex_);
  int holds_ DVREN_GUARDED_BY(mutex_) = 0;
  std::int64_t step_ DVREN_GUARDED_BY(mutex_);
  std::int64_t saved_step_ DVREN_GUARDED_BY(mutex_);
  std::optional<v1::TrainReport> last_report_ DVREN_GUARDED_BY(mutex_);
  bool closed_ DVREN_GUARDED_BY(mutex_) = false;
  Clock::time_point used_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace dvren::server
