// Calls the installed client where nobody listens; exit 0 when it says so.
#include <cstdio>

#include "dvren/client/client.h"

int main() {
  dvren::client::ConnectOptions options;
  options.connect_timeout = std::chrono::milliseconds(500);
  const auto client = dvren::client::Client::Connect("unix:/nonexistent/dvrend.sock", options);
  if (client.status().code() == absl::StatusCode::kUnavailable) return 0;
  std::fprintf(stderr, "expected UNAVAILABLE, got %s\n", client.status().ToString().c_str());
  return 1;
}
