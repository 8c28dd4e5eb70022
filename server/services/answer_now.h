// AnswerNow: a unary method whose work is done on the RPC's thread.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "server/middleware/request_scope.h"

namespace dvren::server {

// `answer` takes the tenant and gives an absl::Status; it is not called for a caller without one.
template <class Answer>
grpc::ServerUnaryReactor* AnswerNow(ServiceContext& context, grpc::CallbackServerContext* call, const char* method,
                                    const Answer& answer) {
  RequestScope scope(context, call, method);
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  const absl::Status status = scope.tenant().ok() ? answer(*scope.tenant()) : scope.tenant().status();
  reactor->Finish(scope.Finish(status));
  return reactor;
}

}  // namespace dvren::server
