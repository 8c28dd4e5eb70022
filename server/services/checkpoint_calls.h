// CheckpointCalls: RPCs about checkpoints that are there. Those that only read or remove files run on a thread that may
// block; a restore is a change of its session.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "dvren/v1/training_service.pb.h"
#include "server/app/service_context.h"
#include "server/registries/checkpoint_store.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

// All outlives the calls.
struct CheckpointCalls {
  ServiceContext& context;
  const CheckpointStore& checkpoints;
  WorkerPool& files;

  [[nodiscard]] grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call,
                                               v1::ListCheckpointsResponse* response) const;
  [[nodiscard]] grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call,
                                              const v1::GetCheckpointRequest* request, v1::Checkpoint* response) const;
  [[nodiscard]] grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* call,
                                                 const v1::DeleteCheckpointRequest* request) const;
  [[nodiscard]] grpc::ServerUnaryReactor* Restore(grpc::CallbackServerContext* call,
                                                  const v1::RestoreCheckpointRequest* request,
                                                  v1::Session* response) const;
};

}  // namespace dvren::server
