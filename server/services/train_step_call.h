// TrainStepCall: one TrainStep call, as a piece of work for the session's device.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>

#include "dvren/v1/training_service.pb.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/middleware/request_scope.h"
#include "server/services/training_run.h"

namespace dvren::server {

class TrainStepCall final : public grpc::ServerUnaryReactor,
                            public Work,
                            public std::enable_shared_from_this<TrainStepCall> {
 public:
  static TrainStepCall* Start(ServiceContext& context, const CheckpointStore& checkpoints,
                              grpc::CallbackServerContext* call, const v1::TrainStepRequest* request,
                              v1::TrainStepResponse* response);

  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  TrainStepCall(ServiceContext& context, grpc::CallbackServerContext* call, v1::TrainStepResponse* response)
      : context_(context), response_(response), scope_(context, call, "TrainingService/TrainStep") {}
  // False: there is nothing to do, the response is complete.
  [[nodiscard]] absl::StatusOr<bool> Submit(const CheckpointStore& checkpoints, const v1::TrainStepRequest& request);
  void Unpark();
  void FillResponse(const TrainingSession& session);
  void FinishCall(const absl::Status& status);

  ServiceContext& context_;
  v1::TrainStepResponse* const response_;
  RequestScope scope_;
  std::shared_ptr<TrainStepCall> self_;  // until OnDone

  std::optional<TrainingRun> run_;  // until the answer
  std::int64_t until_step_ = 0;
  std::optional<TrainingBatch> batch_;  // views of the request, which lives until the answer is sent
  ReportSum sum_;

  Mutex mutex_;
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace dvren::server
