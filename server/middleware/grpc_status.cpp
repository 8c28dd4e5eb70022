#include "server/middleware/grpc_status.h"

#include "absl/strings/str_cat.h"
#include "server/middleware/error_details.h"
#include "server/middleware/utf8.h"

namespace dvren::server {

grpc::Status ToGrpcStatus(const absl::Status& status, const std::string& request_id) {
  if (status.ok()) return grpc::Status::OK;
  // gRPC's codes are absl's, by number.
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message = ToUtf8({status.message().data(), status.message().size()});
  return grpc::Status(code, absl::StrCat(message, " [request ", request_id, "]"),
                      SerializeErrorDetails(status, message, request_id));
}

}  // namespace dvren::server
