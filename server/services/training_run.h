// TrainingRun: one call's right to train a session, and what it does in a slice of work. Who stops it (a daemon that
// shuts down, a session that is closed) is told by the slice's status.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dvren/core/stream.h"
#include "server/app/service_context.h"
#include "server/codec/training_codec.h"
#include "server/registries/checkpoint_store.h"
#include "server/registries/session_registry.h"

namespace dvren::server {

class TrainingRun {
 public:
  // `who` and `wake` as in TrainingSession::BeginTraining.
  [[nodiscard]] static absl::StatusOr<TrainingRun> Begin(ServiceContext& context, const CheckpointStore& checkpoints,
                                                         std::shared_ptr<TrainingSession> session,
                                                         const std::string& who, std::function<void()> wake);

  [[nodiscard]] TrainingSession& session() const { return *session_; }
  // Whether a slice can do anything now: nobody looks at the values, or something ends the run. Else the work parks and
  // is woken.
  [[nodiscard]] bool MayRun() const;
  // Whether the run is at its end by no fault of its own; a slice then says why.
  [[nodiscard]] bool stopping() const;
  // Steps for some milliseconds, not beyond `until_step`; at least one. UNAVAILABLE, with the steps saved, when the
  // daemon shuts down; ABORTED when the session was closed. `on_step` is called after each. `batch`: in the
  // photographs' place, where there is one.
  [[nodiscard]] absl::Status RunSlice(Stream& stream, std::int64_t until_step,
                                      const std::function<bool(const StepReport&)>& on_step,
                                      const TrainingBatch* batch = nullptr);
  // The status with which a run that is stopping ends, the session saved where a slice would have saved it; OK for one
  // that is not.
  [[nodiscard]] absl::Status CheckStopping(Stream& stream);
  // Lets others train it.
  void End() { writer_.Release(); }

 private:
  TrainingRun(ServiceContext& context, const CheckpointStore& checkpoints, std::shared_ptr<TrainingSession> session)
      : context_(&context), checkpoints_(&checkpoints), session_(std::move(session)) {}

  ServiceContext* context_;
  const CheckpointStore* checkpoints_;
  std::shared_ptr<TrainingSession> session_;
  TrainingSession::Writer writer_;
};

// Saves the session as it is, on its device's worker. Gives the file's size.
[[nodiscard]] absl::StatusOr<v1::Checkpoint> SaveSession(Stream& stream, const CheckpointStore& checkpoints,
                                                         TrainingSession& session, const std::string& name);
// "session-{id}": what a session is saved as that nobody asked to save.
[[nodiscard]] std::string OwnCheckpointName(const TrainingSession& session);

}  // namespace dvren::server
