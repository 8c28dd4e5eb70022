// Addresses as users write them: host:port, [::1]:port, unix:/path.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace dvren::server {

struct ListenAddress {
  std::string unix_path;  // absolute; empty for TCP
  std::string host;       // name or address without brackets
  int port = 0;           // 0: any free one
  [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
  // localhost, 127.0.0.0/8 and ::1. A name that merely resolves to them does not count: names can change their mind.
  [[nodiscard]] bool is_loopback() const;
  // As gRPC takes it: "unix:/path", "host:port", "[::1]:port".
  [[nodiscard]] std::string ToString() const;
};

// INVALID_ARGUMENT with the remedy alone; the caller names field and value.
[[nodiscard]] absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text);

}  // namespace dvren::server
