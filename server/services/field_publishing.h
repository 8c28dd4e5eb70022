// FieldPublishing: how one PublishField is carried out: a copy of the values on the session's device, then a durable
// field on a thread that may block.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "dvren/v1/training_service.pb.h"
#include "server/app/service_context.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

[[nodiscard]] grpc::ServerUnaryReactor* StartFieldPublishing(ServiceContext& context, WorkerPool& files,
                                                             grpc::CallbackServerContext* call,
                                                             const v1::PublishFieldRequest* request,
                                                             v1::Field* response);

}  // namespace dvren::server
