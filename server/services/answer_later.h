// AnswerLater: a unary method whose work may wait for the disk, on a thread of a pool.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <utility>

#include "server/jobs/retry_after.h"
#include "server/middleware/request_scope.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

// `answer` takes the tenant and gives an absl::Status; it is not called for a caller without one, nor when the pool is
// full. Request and response live until it has returned.
template <class Answer>
grpc::ServerUnaryReactor* AnswerLater(ServiceContext& context, WorkerPool& pool, grpc::CallbackServerContext* call,
                                      const char* method, Answer answer) {
  constexpr int kRetryMs = 200;
  const auto scope = std::make_shared<RequestScope>(context, call, method);
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  if (!scope->tenant().ok()) {
    reactor->Finish(scope->Finish(scope->tenant().status()));
    return reactor;
  }
  const bool accepted = pool.Post(
      [scope, reactor, answer = std::move(answer)] { reactor->Finish(scope->Finish(answer(*scope->tenant()))); });
  if (!accepted) {
    reactor->Finish(scope->Finish(WithRetryAfter(
        absl::ResourceExhaustedError("jobs: too many calls wait for the store; retry later"), kRetryMs)));
  }
  return reactor;
}

}  // namespace dvren::server
