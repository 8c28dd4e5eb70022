// Metrics: every figure that dvrend exports, by its meaning. Base units; label values come from code or configuration,
// never from callers, so that their number is bounded. Thread-safe. Prometheus stays behind this header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace dvren::server {

// Figures that are read when somebody scrapes.
struct MetricsSnapshot {
  struct DeviceMemory {
    std::string device;
    double used_bytes = 0, total_bytes = 0;
  };
  double queued_interactive = 0, queued_normal = 0, queued_batch = 0;
  std::vector<DeviceMemory> devices;
  double fields_on_disk = 0, fields_on_device = 0;
  double tapes = 0, tape_bytes = 0, gradient_bytes = 0;
};

class MetricsEndpoint;

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // dvrend_inflight_requests; dvrend_requests_total{method,code} and dvrend_request_duration_seconds{method}.
  // `code` is absl's name: "OK", "NOT_FOUND".
  void RequestStarted();
  [[nodiscard]] double inflight_requests() const;
  void RequestFinished(const std::string& method, const std::string& code, double seconds);
  // dvrend_rejected_total{reason}: "queue_full", "deadline", "device", "unavailable", "auth".
  void Rejected(const std::string& reason);
  // dvrend_cancelled_total{stage}: "queued", "running", "parked".
  void Cancelled(const std::string& stage);
  // dvrend_rays_total and dvrend_samples_total{op,device}; dvrend_kernel_duration_seconds{op,device}: one observation
  // per slice of work. `op` such as "render", "render_rays", "forward", "backward"; `device` such as "cpu".
  void Kernel(const std::string& op, const std::string& device, double rays, double samples, double seconds);
  // dvrend_launch_rays: rays that one launch of RenderRays or StreamRays has, of all requests that share it.
  void LaunchRays(double rays);
  // dvrend_samples_total{op,device} alone, where they are known later than the slice's time.
  void Samples(const std::string& op, const std::string& device, double samples);
  // dvrend_transfer_bytes_total{direction}: "in", "out".
  void Transferred(const std::string& direction, double bytes);
  // dvrend_queue_wait_seconds{class}: "interactive", "normal", "batch".
  void QueueWait(const std::string& work_class, double seconds);
  // dvrend_device_seconds_total{tenant,device}: slices of work. The first 100 tenants by name, all later ones "other".
  void DeviceSeconds(const std::string& tenant, const std::string& device, double seconds);
  // dvrend_jobs_total{kind,outcome}: attempts that ended, by the state the job is in then.
  void JobEnded(const std::string& kind, const std::string& outcome);
  // dvrend_job_queue_up: 1 while the job queue can be reached.
  void SetQueueUp(bool up);
  // dvrend_ready: 1 between start and drain.
  void SetReady(bool ready);

  // Called on each scrape, on the scraping thread, for the gauges of MetricsSnapshot. Set once, before anything is
  // served; clear (nullptr) before what it reads goes away.
  void SetSnapshotSource(std::function<MetricsSnapshot()> source);

  // The exposition text, as a scrape gives it.
  [[nodiscard]] std::string Expose() const;

 private:
  friend class MetricsEndpoint;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dvren::server
