// RenderService: dvren.v1.RenderService. Each call is a RenderStream or a RenderRaysCall.
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

 private:
  ServiceContext& context_;
};

}  // namespace dvren::server
