#include "server/services/render_service.h"

#include "server/registries/tape_registry.h"
#include "server/services/answer_now.h"
#include "server/services/backward_stream.h"
#include "server/services/forward_stream.h"
#include "server/services/render_rays_call.h"
#include "server/services/render_stream.h"
#include "server/services/stream_rays_call.h"

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

grpc::ServerWriteReactor<v1::ForwardResponse>* RenderService::Forward(grpc::CallbackServerContext* call,
                                                                      const v1::ForwardRequest* request) {
  return ForwardStream::Start(context_, call, *request);
}

grpc::ServerBidiReactor<v1::BackwardRequest, v1::BackwardResponse>* RenderService::Backward(
    grpc::CallbackServerContext* call) {
  return BackwardStream::Start(context_, call);
}

grpc::ServerUnaryReactor* RenderService::ReleaseTape(grpc::CallbackServerContext* call,
                                                     const v1::ReleaseTapeRequest* request, v1::ReleaseTapeResponse*) {
  return AnswerNow(context_, call, "RenderService/ReleaseTape",
                   [&](const std::string& tenant) { return context_.tapes.Release(tenant, request->tape()); });
}

grpc::ServerBidiReactor<v1::StreamRaysRequest, v1::StreamRaysResponse>* RenderService::StreamRays(
    grpc::CallbackServerContext* call) {
  return StreamRaysCall::Start(context_, call);
}

}  // namespace dvren::server
