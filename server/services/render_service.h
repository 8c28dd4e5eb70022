// RenderService: dvren.v1.RenderService. Each call is an object of its own: RenderStream, RenderRaysCall,
// ForwardStream, BackwardStream, StreamRaysCall.
#pragma once

#include "dvren/v1/render_service.grpc.pb.h"
#include "server/app/service_context.h"

namespace dvren::server {

class RenderService final : public v1::RenderService::CallbackService {
 public:
  // `context` outlives the service.
  explicit RenderService(ServiceContext& context) : context_(context) {}

  grpc::ServerWriteReactor<v1::RenderResponse>* Render(grpc::CallbackServerContext* call,
                                                       const v1::RenderRequest* request) override;
  grpc::ServerUnaryReactor* RenderRays(grpc::CallbackServerContext* call, const v1::RenderRaysRequest* request,
                                       v1::RenderRaysResponse* response) override;
  grpc::ServerWriteReactor<v1::ForwardResponse>* Forward(grpc::CallbackServerContext* call,
                                                         const v1::ForwardRequest* request) override;
  grpc::ServerBidiReactor<v1::BackwardRequest, v1::BackwardResponse>* Backward(
      grpc::CallbackServerContext* call) override;
  grpc::ServerUnaryReactor* ReleaseTape(grpc::CallbackServerContext* call, const v1::ReleaseTapeRequest* request,
                                        v1::ReleaseTapeResponse* response) override;
  grpc::ServerBidiReactor<v1::StreamRaysRequest, v1::StreamRaysResponse>* StreamRays(
      grpc::CallbackServerContext* call) override;

 private:
  ServiceContext& context_;
};

}  // namespace dvren::server
