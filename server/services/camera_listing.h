// CameraListing: how one GetCameras is carried out: between two slices of the session's device, which alone touches the
// cameras.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "dvren/v1/training_service.pb.h"
#include "server/app/service_context.h"

namespace dvren::server {

[[nodiscard]] grpc::ServerUnaryReactor* StartCameraListing(ServiceContext& context, grpc::CallbackServerContext* call,
                                                           const v1::GetCamerasRequest* request,
                                                           v1::GetCamerasResponse* response);

}  // namespace dvren::server
