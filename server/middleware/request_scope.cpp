#include "server/middleware/request_scope.h"

#include <grpcpp/server_context.h>

#include "absl/strings/str_cat.h"
#include "server/jobs/retry_after.h"
#include "server/metrics/metrics.h"
#include "server/middleware/grpc_status.h"
#include "server/middleware/request_id.h"
#include "server/middleware/tenant_resolver.h"

namespace dvren::server {
namespace {

std::optional<std::string_view> Metadata(const grpc::CallbackServerContext& call, const char* key) {
  const auto it = call.client_metadata().find(key);
  if (it == call.client_metadata().end()) return std::nullopt;
  return std::string_view(it->second.data(), it->second.size());
}

std::optional<std::chrono::steady_clock::time_point> SteadyDeadline(const grpc::CallbackServerContext& call) {
  const auto left = call.deadline() - std::chrono::system_clock::now();
  // No deadline is a time beyond all others, and some clients send one that is as good as none.
  if (left > std::chrono::hours(24 * 365)) return std::nullopt;
  return std::chrono::steady_clock::now() + left;
}

// What went wrong on our side is for the operator; what the caller did is not.
LogLevel LevelOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnknown:
      return LogLevel::kError;
    default:
      return LogLevel::kInfo;
  }
}

}  // namespace

RequestScope::RequestScope(ServiceContext& context, grpc::CallbackServerContext* call, const char* method)
    : context_(context),
      call_(call),
      method_(method),
      request_id_(RequestIdFrom(Metadata(*call, kRequestIdKey))),
      tenant_(context.tenants.Resolve(Metadata(*call, "authorization"))),
      start_(std::chrono::steady_clock::now()),
      deadline_(SteadyDeadline(*call)) {
  call_->AddInitialMetadata(kRequestIdKey, request_id_);
  context_.metrics.RequestStarted();
  if (!tenant_.ok()) context_.metrics.Rejected("auth");
}

RequestScope::~RequestScope() {
  if (!finished_) Record(absl::CancelledError("the caller went away"));
}

grpc::Status RequestScope::Finish(const absl::Status& status) {
  if (!finished_) {
    finished_ = true;
    Record(status);
    // Also in the trailers: a call that fails before it sends anything has only these.
    call_->AddTrailingMetadata(kRequestIdKey, request_id_);
    if (const std::optional<int> retry_after_ms = RetryAfterMs(status)) {
      call_->AddTrailingMetadata("grpc-retry-pushback-ms", absl::StrCat(*retry_after_ms));
    }
  }
  return ToGrpcStatus(status, request_id_);
}

void RequestScope::Record(const absl::Status& status) {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const std::string code = absl::StatusCodeToString(status.code());
  context_.metrics.RequestFinished(method_, code, seconds);
  const LogLevel level = LevelOf(status.code());
  if (!context_.logger.enabled(level)) return;
  std::vector<LogField> fields{
      {"request_id", request_id_}, {"method", method_}, {"code", code}, {"duration_ms", seconds * 1e3}};
  if (tenant_.ok()) fields.emplace_back("tenant", *tenant_);
  if (!status.ok()) fields.emplace_back("error", std::string(status.message()));
  fields.insert(fields.end(), notes_.begin(), notes_.end());
  context_.logger.Log(level, "request", fields);
}

}  // namespace dvren::server
