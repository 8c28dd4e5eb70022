// ParameterStreams: GetParameters and SetParameters of one call each: what a session has learned, out and in.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "dvren/v1/training_service.pb.h"
#include "server/app/service_context.h"
#include "server/registries/checkpoint_store.h"

namespace dvren::server {

[[nodiscard]] grpc::ServerWriteReactor<v1::GetParametersResponse>* StartParameterDownload(
    ServiceContext& context, grpc::CallbackServerContext* call, const v1::GetParametersRequest& request);

// `checkpoints` outlives the call.
[[nodiscard]] grpc::ServerReadReactor<v1::SetParametersRequest>* StartParameterUpload(
    ServiceContext& context, const CheckpointStore& checkpoints, grpc::CallbackServerContext* call,
    v1::SetParametersResponse* response);

}  // namespace dvren::server
