#include "server/services/training_service.h"

#include <grpcpp/server_context.h>

#include <utility>

#include "server/jobs/scheduler.h"
#include "server/middleware/logger.h"
#include "server/middleware/request_scope.h"
#include "server/registries/session_registry.h"
#include "server/services/answer_now.h"
#include "server/services/camera_listing.h"
#include "server/services/checkpoint_calls.h"
#include "server/services/device_task.h"
#include "server/services/evaluate_stream.h"
#include "server/services/field_publishing.h"
#include "server/services/gradient_streams.h"
#include "server/services/parameter_streams.h"
#include "server/services/session_creation.h"
#include "server/services/train_step_call.h"
#include "server/services/train_stream.h"
#include "server/services/training_run.h"

namespace dvren::server {
namespace {

constexpr int kFileThreads = 2;
constexpr std::size_t kMaxWaitingFiles = 64;

}  // namespace

TrainingService::TrainingService(ServiceContext& context, CheckpointStore checkpoints)
    : context_(context), checkpoints_(std::move(checkpoints)), files_(kFileThreads, kMaxWaitingFiles) {
  context_.sessions.OnIdle([this](const std::shared_ptr<TrainingSession>& session) { SaveUnused(session, true); });
}

TrainingService::~TrainingService() {
  context_.sessions.OnIdle(nullptr);
}

void TrainingService::BeginDrain() {
  context_.sessions.OnIdle(nullptr);
  context_.sessions.BeginDrain();
  for (const std::shared_ptr<TrainingSession>& session : context_.sessions.All()) {
    if (session->idle_since()) SaveUnused(session, false);
  }
}

void TrainingService::SaveUnused(const std::shared_ptr<TrainingSession>& session, bool close) {
  const auto finish = [this, session, close](const absl::Status& status) {
    if (!status.ok()) {
      context_.logger.Warn("a session that nobody uses could not be saved; it stays",
                           {{"session", session->name()}, {"error", std::string(status.message())}});
    } else if (close && session->idle_since()) {
      static_cast<void>(context_.sessions.Close(session->owner(), session->name()));  // NOT_FOUND: closed meanwhile
      context_.logger.Info("session closed: nobody used it", {{"session", session->name()}, {"step", session->step()}});
    }
  };
  if (!session->has_unsaved_steps()) return finish(absl::OkStatus());
  WorkOptions options;
  options.label = "save session";
  options.tenant = session->owner();
  options.work_class = WorkClass::kNormal;
  options.device = session->device();
  auto task = std::make_shared<DeviceTask>(
      [this, session](Stream& stream) -> absl::Status {
        DVREN_ASSIGN_OR_RETURN(const v1::Checkpoint saved,
                               SaveSession(stream, checkpoints_, *session, OwnCheckpointName(*session)));
        context_.logger.Info("session saved", {{"session", session->name()}, {"checkpoint", saved.name()}});
        return absl::OkStatus();
      },
      finish);
  if (const auto work = context_.scheduler.Submit(std::move(task), std::move(options)); !work.ok())
    finish(work.status());
}

grpc::ServerUnaryReactor* TrainingService::CreateSession(grpc::CallbackServerContext* call,
                                                         const v1::CreateSessionRequest* request,
                                                         v1::Session* response) {
  return StartSessionCreation(context_, checkpoints_, files_, call, request, response);
}

grpc::ServerUnaryReactor* TrainingService::GetSession(grpc::CallbackServerContext* call,
                                                      const v1::GetSessionRequest* request, v1::Session* response) {
  return AnswerNow(context_, call, "TrainingService/GetSession", [&](const std::string& tenant) -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(const auto session, context_.sessions.Find(tenant, request->name()));
    *response = context_.sessions.Describe(*session);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TrainingService::ListSessions(grpc::CallbackServerContext* call,
                                                        const v1::ListSessionsRequest*,
                                                        v1::ListSessionsResponse* response) {
  return AnswerNow(context_, call, "TrainingService/ListSessions", [&](const std::string& tenant) -> absl::Status {
    for (const auto& session : context_.sessions.List(tenant)) {
      *response->add_sessions() = context_.sessions.Describe(*session);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TrainingService::TrainStep(grpc::CallbackServerContext* call,
                                                     const v1::TrainStepRequest* request,
                                                     v1::TrainStepResponse* response) {
  return TrainStepCall::Start(context_, checkpoints_, call, request, response);
}

grpc::ServerWriteReactor<v1::StreamTrainResponse>* TrainingService::StreamTrain(grpc::CallbackServerContext* call,
                                                                                const v1::StreamTrainRequest* request) {
  return TrainStream::Start(context_, checkpoints_, call, *request);
}

grpc::ServerWriteReactor<v1::EvaluateResponse>* TrainingService::Evaluate(grpc::CallbackServerContext* call,
                                                                          const v1::EvaluateRequest* request) {
  return EvaluateStream::Start(context_, files_, call, *request);
}

grpc::ServerUnaryReactor* TrainingService::SaveCheckpoint(grpc::CallbackServerContext* call,
                                                          const v1::SaveCheckpointRequest* request,
                                                          v1::Checkpoint* response) {
  const auto scope = std::make_shared<RequestScope>(context_, call, "TrainingService/SaveCheckpoint");
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  // The request and the response live until the answer is sent.
  const auto submit = [&]() -> absl::Status {
    if (!scope->tenant().ok()) return scope->tenant().status();
    DVREN_ASSIGN_OR_RETURN(const auto session, context_.sessions.Find(*scope->tenant(), request->session()));
    DVREN_RETURN_IF_ERROR(checkpoints_.PathToWrite(*scope->tenant(), request->name()).status());
    WorkOptions options;
    options.label = "TrainingService/SaveCheckpoint";
    options.tenant = *scope->tenant();
    options.work_class = WorkClass::kNormal;
    options.deadline = scope->deadline();
    options.device = session->device();
    auto task = std::make_shared<DeviceTask>(
        [this, session, request, response](Stream& stream) -> absl::Status {
          DVREN_ASSIGN_OR_RETURN(*response, SaveSession(stream, checkpoints_, *session, request->name()));
          return absl::OkStatus();
        },
        [scope, reactor](const absl::Status& status) { reactor->Finish(scope->Finish(status)); });
    return context_.scheduler.Submit(std::move(task), std::move(options)).status();
  };
  if (const absl::Status status = submit(); !status.ok()) reactor->Finish(scope->Finish(status));
  return reactor;
}

grpc::ServerUnaryReactor* TrainingService::GetCameras(grpc::CallbackServerContext* call,
                                                      const v1::GetCamerasRequest* request,
                                                      v1::GetCamerasResponse* response) {
  return StartCameraListing(context_, call, request, response);
}

grpc::ServerUnaryReactor* TrainingService::RestoreCheckpoint(grpc::CallbackServerContext* call,
                                                             const v1::RestoreCheckpointRequest* request,
                                                             v1::Session* response) {
  return CheckpointCalls{context_, checkpoints_, files_}.Restore(call, request, response);
}

grpc::ServerUnaryReactor* TrainingService::ListCheckpoints(grpc::CallbackServerContext* call,
                                                           const v1::ListCheckpointsRequest*,
                                                           v1::ListCheckpointsResponse* response) {
  return CheckpointCalls{context_, checkpoints_, files_}.List(call, response);
}

grpc::ServerUnaryReactor* TrainingService::GetCheckpoint(grpc::CallbackServerContext* call,
                                                         const v1::GetCheckpointRequest* request,
                                                         v1::Checkpoint* response) {
  return CheckpointCalls{context_, checkpoints_, files_}.Get(call, request, response);
}

grpc::ServerUnaryReactor* TrainingService::DeleteCheckpoint(grpc::CallbackServerContext* call,
                                                            const v1::DeleteCheckpointRequest* request,
                                                            v1::DeleteCheckpointResponse*) {
  return CheckpointCalls{context_, checkpoints_, files_}.Delete(call, request);
}

grpc::ServerWriteReactor<v1::GetParametersResponse>* TrainingService::GetParameters(
    grpc::CallbackServerContext* call, const v1::GetParametersRequest* request) {
  return StartParameterDownload(context_, call, *request);
}

grpc::ServerReadReactor<v1::SetParametersRequest>* TrainingService::SetParameters(grpc::CallbackServerContext* call,
                                                                                  v1::SetParametersResponse* response) {
  return StartParameterUpload(context_, checkpoints_, call, response);
}

grpc::ServerWriteReactor<v1::ExportGradientsResponse>* TrainingService::ExportGradients(
    grpc::CallbackServerContext* call, const v1::ExportGradientsRequest* request) {
  return StartGradientExport(context_, checkpoints_, call, *request);
}

grpc::ServerReadReactor<v1::ApplyGradientsRequest>* TrainingService::ApplyGradients(grpc::CallbackServerContext* call,
                                                                                    v1::TrainStepResponse* response) {
  return StartGradientApplication(context_, checkpoints_, call, response);
}

grpc::ServerUnaryReactor* TrainingService::PublishField(grpc::CallbackServerContext* call,
                                                        const v1::PublishFieldRequest* request, v1::Field* response) {
  return StartFieldPublishing(context_, files_, call, request, response);
}

grpc::ServerUnaryReactor* TrainingService::CloseSession(grpc::CallbackServerContext* call,
                                                        const v1::CloseSessionRequest* request,
                                                        v1::CloseSessionResponse*) {
  return AnswerNow(context_, call, "TrainingService/CloseSession",
                   [&](const std::string& tenant) { return context_.sessions.Close(tenant, request->name()); });
}

}  // namespace dvren::server
