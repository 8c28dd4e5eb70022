#include "server/services/checkpoint_calls.h"

#include <sys/stat.h>

#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "google/protobuf/util/time_util.h"
#include "server/codec/training_codec.h"
#include "server/middleware/request_scope.h"
#include "server/registries/session_registry.h"
#include "server/services/session_task.h"

namespace dvren::server {
namespace {

constexpr char kRestore[] = "TrainingService/RestoreCheckpoint";

// NOT_FOUND where it has gone meanwhile.
absl::Status Describe(const CheckpointStore& checkpoints, const std::string& tenant, const std::string& name,
                      v1::Checkpoint* message) {
  DVREN_ASSIGN_OR_RETURN(const std::string path, checkpoints.PathToRead(tenant, name));
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    return absl::NotFoundError(absl::StrCat("checkpoint = ", CheckpointName(name), ": no such checkpoint"));
  }
  message->set_name(CheckpointName(name));
  message->set_bytes(static_cast<std::uint64_t>(status.st_size));
  *message->mutable_create_time() = google::protobuf::util::TimeUtil::TimeTToTimestamp(status.st_mtime);
  // A damaged one is there all the same: to be seen, and deleted.
  const absl::StatusOr<std::int64_t> step = Trainer::StepOfCheckpoint(path);
  if (step.ok()) {
    message->set_step(*step);
  } else {
    message->set_damage(std::string(step.status().message()));
  }
  return absl::OkStatus();
}

// Runs `answer` with the tenant on a thread that may block.
grpc::ServerUnaryReactor* AnswerFrom(const CheckpointCalls& calls, grpc::CallbackServerContext* call,
                                     const char* method, std::function<absl::Status(const std::string&)> answer) {
  const auto scope = std::make_shared<RequestScope>(calls.context, call, method);
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  const auto run = [scope, reactor, answer = std::move(answer)] {
    absl::Status status;
    try {
      status = answer(*scope->tenant());
    } catch (const std::exception& error) {
      status = absl::InternalError(absl::StrCat("checkpoints: ", error.what()));
    }
    reactor->Finish(scope->Finish(status));
  };
  if (!scope->tenant().ok()) {
    reactor->Finish(scope->Finish(scope->tenant().status()));
  } else if (!calls.files.Post(run)) {
    reactor->Finish(scope->Finish(absl::ResourceExhaustedError("checkpoints: too many calls wait; retry later")));
  }
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* CheckpointCalls::List(grpc::CallbackServerContext* call,
                                                v1::ListCheckpointsResponse* response) const {
  const CheckpointStore* store = &checkpoints;
  return AnswerFrom(*this, call, "TrainingService/ListCheckpoints", [store, response](const std::string& tenant) {
    for (const std::string& name : store->List(tenant)) {
      v1::Checkpoint checkpoint;
      if (const absl::Status status = Describe(*store, tenant, name, &checkpoint); status.ok()) {
        *response->add_checkpoints() = std::move(checkpoint);
      } else if (!absl::IsNotFound(status)) {
        return status;
      }
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* CheckpointCalls::Get(grpc::CallbackServerContext* call,
                                               const v1::GetCheckpointRequest* request,
                                               v1::Checkpoint* response) const {
  const CheckpointStore* store = &checkpoints;
  return AnswerFrom(*this, call, "TrainingService/GetCheckpoint",
                    [=](const std::string& tenant) { return Describe(*store, tenant, request->name(), response); });
}

grpc::ServerUnaryReactor* CheckpointCalls::Delete(grpc::CallbackServerContext* call,
                                                  const v1::DeleteCheckpointRequest* request) const {
  const CheckpointStore* store = &checkpoints;
  return AnswerFrom(*this, call, "TrainingService/DeleteCheckpoint",
                    [=](const std::string& tenant) { return store->Delete(tenant, request->name()); });
}

grpc::ServerUnaryReactor* CheckpointCalls::Restore(grpc::CallbackServerContext* call,
                                                   const v1::RestoreCheckpointRequest* request,
                                                   v1::Session* response) const {
  const auto scope = std::make_shared<RequestScope>(context, call, kRestore);
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  // The request and the response live until the answer is sent.
  const auto submit = [&]() -> absl::Status {
    if (!scope->tenant().ok()) return scope->tenant().status();
    DVREN_ASSIGN_OR_RETURN(const auto session, context.sessions.Find(*scope->tenant(), request->session()));
    DVREN_ASSIGN_OR_RETURN(const std::string path, checkpoints.PathToRead(*scope->tenant(), request->checkpoint()));
    ServiceContext* const service = &context;
    auto task = std::make_shared<SessionTask>(
        [service, path](Stream& stream, TrainingSession& of) -> absl::Status {
          // For a while there are two of it.
          DVREN_ASSIGN_OR_RETURN(const ByteCharge charge,
                                 service->sessions.Charge(of.owner(), TrainerBytes(of.trainer().spec())));
          DVREN_RETURN_IF_ERROR(of.trainer().Restore(stream, path));
          of.Restored(of.trainer().steps_done());
          return absl::OkStatus();
        },
        [service, scope, reactor, session, response](const absl::Status& status) {
          if (status.ok()) *response = service->sessions.Describe(*session);
          reactor->Finish(scope->Finish(status));
        });
    DVREN_RETURN_IF_ERROR(task->Begin(context, checkpoints, session,
                                      absl::StrCat("RestoreCheckpoint (request ", scope->request_id(), ")")));
    WorkOptions options;
    options.label = kRestore;
    options.tenant = *scope->tenant();
    options.work_class = WorkClass::kNormal;
    options.deadline = scope->deadline();
    return task->Submit(context.scheduler, std::move(options)).status();
  };
  if (const absl::Status status = submit(); !status.ok()) reactor->Finish(scope->Finish(status));
  return reactor;
}

}  // namespace dvren::server
