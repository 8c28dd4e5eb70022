#include "server/services/render_service.h"

#include "server/services/render_rays_call.h"
#include "server/services/render_stream.h"

namespace dvren::server {

grpc::ServerWriteReactor<v1::RenderResponse>* RenderService::Render(grpc::CallbackServerContext* call,
                                                                    const v1::RenderRequest* request) {
  return RenderStream::Start(context_, call, *request);
}

grpc::ServerUnaryReactor* RenderService::RenderRays(grpc::CallbackServerContext* call,
                                                    const v1::RenderRaysRequest* request,
                                                    v1::RenderRaysResponse* response) {
  return RenderRaysCall::Start(context_, call, request, response);
}

}  // namespace dvren::server
