// The Prometheus side of Metrics, shared by metrics.cpp and metrics_endpoint.cpp and by nobody else.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/jobs/thread_annotations.h"
#include "server/metrics/metrics.h"

namespace dvren::server {

// Asks the snapshot source on each scrape.
class SnapshotCollectable final : public prometheus::Collectable {
 public:
  void Set(std::function<MetricsSnapshot()> source) {
    const std::lock_guard<std::mutex> lock(mutex_);
    source_ = std::move(source);
  }
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable std::mutex mutex_;
  std::function<MetricsSnapshot()> source_ DVREN_GUARDED_BY(mutex_);
};

struct Metrics::Impl {
  Impl();
  std::shared_ptr<prometheus::Registry> registry;
  std::shared_ptr<SnapshotCollectable> snapshot;
  prometheus::Family<prometheus::Counter>&requests, &rejected, &cancelled, &rays, &samples, &transferred,
      &device_seconds, &jobs;
  prometheus::Family<prometheus::Histogram>&request_seconds, &queue_wait_seconds, &kernel_seconds;
  prometheus::Histogram& launch_rays;
  prometheus::Gauge &inflight, &ready, &queue_up;

  std::mutex mutex;
  std::set<std::string> tenants DVREN_GUARDED_BY(mutex);  // with a label of their own
};

}  // namespace dvren::server
