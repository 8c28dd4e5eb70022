// absl::Status → grpc::Status, codes 1:1. The message names the request; details are a google.rpc.Status with
// RequestInfo, BadRequest (from messages `field = value: remedy`) and, for RESOURCE_EXHAUSTED, RetryInfo.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace dvren::server {

[[nodiscard]] grpc::Status ToGrpcStatus(const absl::Status& status, const std::string& request_id);

}  // namespace dvren::server
