// What the kernel would say to a listener, before gRPC is asked: gRPC itself only says that it failed.
#pragma once

#include "absl/status/status.h"
#include "server/app/listen_address.h"

namespace dvren::server {

// OK when the address can be bound now. Removes a socket file on which nobody listens, and nothing else. UNAVAILABLE
// for an address in use, PERMISSION_DENIED, or INVALID_ARGUMENT for one this machine does not have; each names the
// address.
[[nodiscard]] absl::Status ProbeListenAddress(const ListenAddress& address);

}  // namespace dvren::server
