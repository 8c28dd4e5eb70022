// TLS and mutual TLS for the gRPC listeners.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"
#include "server/app/config.h"

namespace dvren::server {

// INVALID_ARGUMENT for a file that cannot be read, is no PEM, or a key that is not the certificate's.
[[nodiscard]] absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeTlsCredentials(const TlsConfig& tls);

}  // namespace dvren::server
