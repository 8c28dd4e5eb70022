// RequestScope: what every service method makes first and finishes last. Finds the request's id and tenant, sends the
// id back as metadata, counts the request in flight, and on Finish logs one line and counts the outcome.
//
//   unary:      RequestScope scope(context_, call, "FieldService/GetField");
//               ... reactor->Finish(scope.Finish(status));
//   streaming:  a member of the reactor, finished once on the way to reactor Finish().
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/support/status.h"
#include "server/app/service_context.h"
#include "server/middleware/logger.h"

namespace grpc {
class CallbackServerContext;
}

namespace dvren::server {

class RequestScope {
 public:
  // `method` is a literal such as "RenderService/Render" (a metrics label: never from the caller). `call` must stay
  // valid until Finish. Adds initial metadata, so make the scope before any is sent.
  RequestScope(ServiceContext& context, grpc::CallbackServerContext* call, const char* method);
  // A scope that was never finished counts as CANCELLED: its caller went away.
  ~RequestScope();
  RequestScope(const RequestScope&) = delete;
  RequestScope& operator=(const RequestScope&) = delete;

  [[nodiscard]] const std::string& request_id() const { return request_id_; }
  // UNAUTHENTICATED where tokens are configured and the caller showed none of them; return it through Finish.
  [[nodiscard]] const absl::StatusOr<std::string>& tenant() const { return tenant_; }
  [[nodiscard]] std::chrono::steady_clock::time_point start() const { return start_; }
  // The caller's deadline, for WorkOptions; absent when it gave none.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const { return deadline_; }

  // Adds a field to the request's log line. Not thread-safe.
  void Note(LogField field) { notes_.push_back(std::move(field)); }

  // Logs, counts and gives the status to hand to the reactor. Once, on any thread, before the reactor's Finish.
  [[nodiscard]] grpc::Status Finish(const absl::Status& status);

 private:
  void Record(const absl::Status& status);

  ServiceContext& context_;
  grpc::CallbackServerContext* call_;
  const char* method_;
  std::string request_id_;
  absl::StatusOr<std::string> tenant_;
  std::chrono::steady_clock::time_point start_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::vector<LogField> notes_;
  bool finished_ = false;
};

}  // namespace dvren::server
