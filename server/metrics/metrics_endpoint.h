// MetricsEndpoint: serves Metrics over HTTP at /metrics for Prometheus. Destroying it may take two seconds.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/metrics/metrics.h"

namespace dvren::server {

class MetricsEndpoint {
 public:
  // `address` is host:port; port 0 takes a free one. UNAVAILABLE when it cannot be bound. `metrics` outlives the
  // endpoint.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Open(const std::string& address,
                                                                             Metrics& metrics);
  ~MetricsEndpoint();

  // With the port that was chosen.
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  struct Impl;
  MetricsEndpoint(std::unique_ptr<Impl> impl, std::string address);
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace dvren::server
