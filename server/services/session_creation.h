// SessionCreation: how a CreateSession is carried out: names and recipe are checked at once, photographs are read on a
// thread that may block, the trainer is made on a device.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "dvren/v1/training_service.pb.h"
#include "server/app/service_context.h"
#include "server/registries/checkpoint_store.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

[[nodiscard]] grpc::ServerUnaryReactor* StartSessionCreation(ServiceContext& context,
                                                             const CheckpointStore& checkpoints, WorkerPool& files,
                                                             grpc::CallbackServerContext* call,
                                                             const v1::CreateSessionRequest* request,
                                                             v1::Session* response);

}  // namespace dvren::server
