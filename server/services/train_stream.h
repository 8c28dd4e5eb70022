// TrainStream: one StreamTrain call: slices of steps until one that is named, reports on the way.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "dvren/v1/training_service.pb.h"
#include "server/services/parking_stream.h"
#include "server/services/training_run.h"

namespace dvren::server {

class TrainStream final : public ParkingStream<v1::StreamTrainResponse> {
 public:
  static TrainStream* Start(ServiceContext& context, const CheckpointStore& checkpoints,
                            grpc::CallbackServerContext* call, const v1::StreamTrainRequest& request);

  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;

 private:
  TrainStream(ServiceContext& context, grpc::CallbackServerContext* call)
      : ParkingStream(context, call, "TrainingService/StreamTrain") {}
  [[nodiscard]] absl::Status Submit(const CheckpointStore& checkpoints, const v1::StreamTrainRequest& request);
  void Report();
  [[nodiscard]] bool AtEnd() const;

  std::optional<TrainingRun> run_;  // until the call's last message
  std::int64_t until_step_ = 0;
  std::int64_t report_every_steps_ = 0;       // 0: by time alone
  std::chrono::nanoseconds report_every_{0};  // 0: by steps alone
  double max_train_seconds_ = 0, train_seconds_ = 0;

  // The work's own; slices never overlap.
  ReportSum unreported_;
  Clock::time_point last_report_ = Clock::now();
};

}  // namespace dvren::server
