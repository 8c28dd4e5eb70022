#include "session.h"

#include <chrono>
#include <cmath>

namespace dvren::ctl {

absl::StatusOr<client::Client> Session::Connect() const {
  if (!(timeout_s >= 0) || timeout_s > 1e6)
    return InvalidField("--timeout", timeout_s, "must be seconds, 0 (none) to 1e6");
  client::ConnectOptions options;
  options.token = token;
  options.tls = tls;
  options.tls_files = tls_files;
  options.call_timeout = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(timeout_s * 1000)));
  if (options.call_timeout.count() > 0 && options.call_timeout < options.connect_timeout) {
    options.connect_timeout = options.call_timeout;
  }
  auto client = client::Client::Connect(endpoint, std::move(options));
  if (absl::IsUnavailable(client.status())) {
    return absl::UnavailableError(absl::StrCat(client.status().message(), " (--endpoint, DVREN_ENDPOINT)"));
  }
  return client;
}

}  // namespace dvren::ctl
