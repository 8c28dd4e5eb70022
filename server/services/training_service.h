// TrainingService: dvren.v1.TrainingService. Calls that last are objects of their own: SessionCreation, TrainStepCall,
// TrainStream, EvaluateStream. Sessions that nobody uses are saved and closed here.
#pragma once

#include <memory>
#include <string>

#include "dvren/v1/training_service.grpc.pb.h"
#include "server/app/service_context.h"
#include "server/registries/checkpoint_store.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

class TrainingSession;

class TrainingService final : public v1::TrainingService::CallbackService {
 public:
  // `context` outlives the service. Destroy it when no call is left (after grpc::Server is gone).
  TrainingService(ServiceContext& context, CheckpointStore checkpoints);
  ~TrainingService() override;

  // The daemon is about to stop: whoever trains saves and stops, and idle sessions are saved. Before Scheduler::Drain,
  // which waits for that.
  void BeginDrain();

  grpc::ServerUnaryReactor* CreateSession(grpc::CallbackServerContext* call, const v1::CreateSessionRequest* request,
                                          v1::Session* response) override;
  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* call, const v1::GetSessionRequest* request,
                                       v1::Session* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* call, const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* TrainStep(grpc::CallbackServerContext* call, const v1::TrainStepRequest* request,
                                      v1::TrainStepResponse* response) override;
  grpc::ServerWriteReactor<v1::StreamTrainResponse>* StreamTrain(grpc::CallbackServerContext* call,
                                                                 const v1::StreamTrainRequest* request) override;
  grpc::ServerWriteReactor<v1::EvaluateResponse>* Evaluate(grpc::CallbackServerContext* call,
                                                           const v1::EvaluateRequest* request) override;
  grpc::ServerUnaryReactor* SaveCheckpoint(grpc::CallbackServerContext* call, const v1::SaveCheckpointRequest* request,
                                           v1::Checkpoint* response) override;
  grpc::ServerUnaryReactor* GetCameras(grpc::CallbackServerContext* call, const v1::GetCamerasRequest* request,
                                       v1::GetCamerasResponse* response) override;
  grpc::ServerUnaryReactor* RestoreCheckpoint(grpc::CallbackServerContext* call,
                                              const v1::RestoreCheckpointRequest* request,
                                              v1::Session* response) override;
  grpc::ServerUnaryReactor* ListCheckpoints(grpc::CallbackServerContext* call,
                                            const v1::ListCheckpointsRequest* request,
                                            v1::ListCheckpointsResponse* response) override;
  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* call, const v1::GetCheckpointRequest* request,
                                          v1::Checkpoint* response) override;
  grpc::ServerUnaryReactor* DeleteCheckpoint(grpc::CallbackServerContext* call,
                                             const v1::DeleteCheckpointRequest* request,
                                             v1::DeleteCheckpointResponse* response) override;
  grpc::ServerWriteReactor<v1::GetParametersResponse>* GetParameters(grpc::CallbackServerContext* call,
                                                                     const v1::GetParametersRequest* request) override;
  grpc::ServerReadReactor<v1::SetParametersRequest>* SetParameters(grpc::CallbackServerContext* call,
                                                                   v1::SetParametersResponse* response) override;
  grpc::ServerWriteReactor<v1::ExportGradientsResponse>* ExportGradients(
      grpc::CallbackServerContext* call, const v1::ExportGradientsRequest* request) override;
  grpc::ServerReadReactor<v1::ApplyGradientsRequest>* ApplyGradients(grpc::CallbackServerContext* call,
                                                                     v1::TrainStepResponse* response) override;
  grpc::ServerUnaryReactor* PublishField(grpc::CallbackServerContext* call, const v1::PublishFieldRequest* request,
                                         v1::Field* response) override;
  grpc::ServerUnaryReactor* CloseSession(grpc::CallbackServerContext* call, const v1::CloseSessionRequest* request,
                                         v1::CloseSessionResponse* response) override;

 private:
  // Saves what is unsaved of it on its device, then, with `close`, closes it.
  void SaveUnused(const std::shared_ptr<TrainingSession>& session, bool close);

  ServiceContext& context_;
  const CheckpointStore checkpoints_;
  WorkerPool files_;
};

}  // namespace dvren::server
