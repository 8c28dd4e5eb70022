#include "server/metrics/metrics_endpoint.h"

#include <prometheus/exposer.h>

#include <exception>

#include "absl/strings/str_cat.h"
#include "server/metrics/metrics_impl.h"

namespace dvren::server {

struct MetricsEndpoint::Impl {
  explicit Impl(const std::string& address) : exposer(address, /*num_threads=*/2) {}
  prometheus::Exposer exposer;
};

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<Impl> impl, std::string address)
    : impl_(std::move(impl)), address_(std::move(address)) {}
MetricsEndpoint::~MetricsEndpoint() = default;

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Open(const std::string& address, Metrics& metrics) {
  try {
    auto impl = std::make_unique<Impl>(address);
    impl->exposer.RegisterCollectable(metrics.impl_->registry);
    impl->exposer.RegisterCollectable(metrics.impl_->snapshot);
    const std::vector<int> ports = impl->exposer.GetListeningPorts();
    const std::string host = address.substr(0, address.rfind(':'));
    std::string bound = ports.empty() ? address : absl::StrCat(host, ":", ports.front());
    return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(std::move(impl), std::move(bound)));
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        absl::StrCat("metrics = ", address, ": cannot listen there (", error.what(),
                     "); is the port taken? Give --metrics another address, or \"\" for none"));
  }
}

}  // namespace dvren::server
