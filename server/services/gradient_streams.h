// GradientStreams: ExportGradients and ApplyGradients of one call each: the two halves of a training step, between
// which the caller's all-reduce is.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "dvren/v1/training_service.pb.h"
#include "server/app/service_context.h"
#include "server/registries/checkpoint_store.h"

namespace dvren::server {

// `checkpoints` outlives the calls.
[[nodiscard]] grpc::ServerWriteReactor<v1::ExportGradientsResponse>* StartGradientExport(
    ServiceContext& context, const CheckpointStore& checkpoints, grpc::CallbackServerContext* call,
    const v1::ExportGradientsRequest& request);
[[nodiscard]] grpc::ServerReadReactor<v1::ApplyGradientsRequest>* StartGradientApplication(
    ServiceContext& context, const CheckpointStore& checkpoints, grpc::CallbackServerContext* call,
    v1::TrainStepResponse* response);

}  // namespace dvren::server
