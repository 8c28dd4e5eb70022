// google.rpc.Status on the wire, by hand: Debian ships neither its .proto nor its generated code, and four small
// messages need neither. Field numbers are those of google/rpc/status.proto and google/rpc/error_details.proto.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace dvren::server {

// Serialised google.rpc.Status with RequestInfo; BadRequest for messages `field = value: remedy` of INVALID_ARGUMENT;
// RetryInfo where RetryAfterMs (jobs/retry_after.h) says so. For the trailing metadata grpc-status-details-bin.
// `message` must be UTF-8.
[[nodiscard]] std::string SerializeErrorDetails(const absl::Status& status, const std::string& message,
                                                const std::string& request_id);

}  // namespace dvren::server
