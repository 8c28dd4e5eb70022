#include "server/metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include "server/app/build_info.h"
#include "server/metrics/metrics_impl.h"

namespace dvren::server {
namespace {

constexpr std::size_t kMaxTenantLabels = 100;  // more would be a series each for as long as the daemon lives

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using Buckets = prometheus::Histogram::BucketBoundaries;

// From an empty unary call (tens of microseconds) to a long render.
const Buckets kRequestSeconds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                              0.5,    1,       2.5,    5,     10,     30,    60,   120,   300,  600};
const Buckets kLaunchRays{64, 256, 1024, 4096, 16384, 65536};
const Buckets kSliceSeconds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                            0.05,   0.1,     0.25,   0.5,   1,      2.5,   5};

prometheus::ClientMetric GaugeSample(double value, std::vector<prometheus::ClientMetric::Label> labels) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  return metric;
}

prometheus::MetricFamily GaugeFamily(const char* name, const char* help) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  return family;
}

}  // namespace

std::vector<prometheus::MetricFamily> SnapshotCollectable::Collect() const {
  // The lock is held while the source runs, so that after Set(nullptr) nobody reads what is going away.
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!source_) return {};
  const MetricsSnapshot snapshot = source_();

  prometheus::MetricFamily depth = GaugeFamily("dvrend_queue_depth", "Works that wait for a device.");
  depth.metric.push_back(GaugeSample(snapshot.queued_interactive, {{"class", "interactive"}}));
  depth.metric.push_back(GaugeSample(snapshot.queued_normal, {{"class", "normal"}}));
  depth.metric.push_back(GaugeSample(snapshot.queued_batch, {{"class", "batch"}}));

  prometheus::MetricFamily memory =
      GaugeFamily("dvrend_device_memory_bytes", "Memory of a device: used by fields and buffers, total.");
  for (const MetricsSnapshot::DeviceMemory& device : snapshot.devices) {
    memory.metric.push_back(GaugeSample(device.used_bytes, {{"device", device.device}, {"state", "used"}}));
    memory.metric.push_back(GaugeSample(device.total_bytes, {{"device", device.device}, {"state", "total"}}));
  }

  prometheus::MetricFamily fields = GaugeFamily("dvrend_fields_resident", "Fields that are kept, by where they are.");
  fields.metric.push_back(GaugeSample(snapshot.fields_on_disk, {{"tier", "disk"}}));
  fields.metric.push_back(GaugeSample(snapshot.fields_on_device, {{"tier", "device"}}));

  prometheus::MetricFamily tapes = GaugeFamily("dvrend_tapes", "Tapes that are kept for Backward.");
  tapes.metric.push_back(GaugeSample(snapshot.tapes, {}));
  prometheus::MetricFamily tape_bytes = GaugeFamily("dvrend_tape_bytes", "Bytes that tapes take of their budget.");
  tape_bytes.metric.push_back(GaugeSample(snapshot.tape_bytes, {}));
  prometheus::MetricFamily gradient_bytes =
      GaugeFamily("dvrend_gradient_bytes", "Bytes that gradients take of their budget.");
  gradient_bytes.metric.push_back(GaugeSample(snapshot.gradient_bytes, {}));
  return {depth, memory, fields, tapes, tape_bytes, gradient_bytes};
}

Metrics::Impl::Impl()
    : registry(std::make_shared<prometheus::Registry>()),
      snapshot(std::make_shared<SnapshotCollectable>()),
      requests(BuildCounter().Name("dvrend_requests_total").Help("Finished requests.").Register(*registry)),
      rejected(
          BuildCounter().Name("dvrend_rejected_total").Help("Requests refused before any work.").Register(*registry)),
      cancelled(BuildCounter()
                    .Name("dvrend_cancelled_total")
                    .Help("Works that were cancelled, expired or drained, by where they were.")
                    .Register(*registry)),
      rays(BuildCounter().Name("dvrend_rays_total").Help("Rays rendered.").Register(*registry)),
      samples(BuildCounter().Name("dvrend_samples_total").Help("Field samples taken.").Register(*registry)),
      transferred(
          BuildCounter().Name("dvrend_transfer_bytes_total").Help("Payload bytes in and out.").Register(*registry)),
      device_seconds(BuildCounter()
                         .Name("dvrend_device_seconds_total")
                         .Help("Seconds of a device that a tenant's work took.")
                         .Register(*registry)),
      jobs(BuildCounter()
               .Name("dvrend_jobs_total")
               .Help("Attempts of jobs that ended, by the state the job is in then.")
               .Register(*registry)),
      request_seconds(BuildHistogram()
                          .Name("dvrend_request_duration_seconds")
                          .Help("Time from a request's arrival to its status.")
                          .Register(*registry)),
      queue_wait_seconds(BuildHistogram()
                             .Name("dvrend_queue_wait_seconds")
                             .Help("Time from admission to the first slice on a device.")
                             .Register(*registry)),
      kernel_seconds(BuildHistogram()
                         .Name("dvrend_kernel_duration_seconds")
                         .Help("Time of one slice of work in kernels.")
                         .Register(*registry)),
      launch_rays(BuildHistogram()
                      .Name("dvrend_launch_rays")
                      .Help("Rays of one launch of small ray requests, which many requests may share.")
                      .Register(*registry)
                      .Add({}, kLaunchRays)),
      inflight(BuildGauge()
                   .Name("dvrend_inflight_requests")
                   .Help("Requests that are being served.")
                   .Register(*registry)
                   .Add({})),
      ready(BuildGauge().Name("dvrend_ready").Help("1 while requests are taken.").Register(*registry).Add({})),
      queue_up(BuildGauge()
                   .Name("dvrend_job_queue_up")
                   .Help("1 while the job queue can be reached.")
                   .Register(*registry)
                   .Add({})) {
  const BuildInfo& build = GetBuildInfo();
  BuildGauge()
      .Name("dvrend_build_info")
      .Help("Always 1; the labels say what was built.")
      .Register(*registry)
      .Add({{"version", build.version}, {"commit", build.commit}, {"compiler", build.compiler}})
      .Set(1);
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::RequestStarted() {
  impl_->inflight.Increment();
}

double Metrics::inflight_requests() const {
  return impl_->inflight.Value();
}

void Metrics::RequestFinished(const std::string& method, const std::string& code, double seconds) {
  impl_->inflight.Decrement();
  impl_->requests.Add({{"method", method}, {"code", code}}).Increment();
  impl_->request_seconds.Add({{"method", method}}, kRequestSeconds).Observe(seconds);
}

void Metrics::Rejected(const std::string& reason) {
  impl_->rejected.Add({{"reason", reason}}).Increment();
}

void Metrics::Cancelled(const std::string& stage) {
  impl_->cancelled.Add({{"stage", stage}}).Increment();
}

void Metrics::Kernel(const std::string& op, const std::string& device, double rays, double samples, double seconds) {
  const prometheus::Labels labels{{"op", op}, {"device", device}};
  impl_->rays.Add(labels).Increment(rays);
  impl_->samples.Add(labels).Increment(samples);
  impl_->kernel_seconds.Add(labels, kSliceSeconds).Observe(seconds);
}

void Metrics::LaunchRays(double rays) {
  impl_->launch_rays.Observe(rays);
}

void Metrics::Samples(const std::string& op, const std::string& device, double samples) {
  impl_->samples.Add({{"op", op}, {"device", device}}).Increment(samples);
}

void Metrics::Transferred(const std::string& direction, double bytes) {
  impl_->transferred.Add({{"direction", direction}}).Increment(bytes);
}

void Metrics::QueueWait(const std::string& work_class, double seconds) {
  impl_->queue_wait_seconds.Add({{"class", work_class}}, kRequestSeconds).Observe(seconds);
}

void Metrics::DeviceSeconds(const std::string& tenant, const std::string& device, double seconds) {
  std::string label = tenant;
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    if (impl_->tenants.count(tenant) == 0) {
      if (impl_->tenants.size() < kMaxTenantLabels) {
        impl_->tenants.insert(tenant);
      } else {
        label = "other";
      }
    }
  }
  impl_->device_seconds.Add({{"tenant", label}, {"device", device}}).Increment(seconds);
}

void Metrics::JobEnded(const std::string& kind, const std::string& outcome) {
  impl_->jobs.Add({{"kind", kind}, {"outcome", outcome}}).Increment();
}

void Metrics::SetQueueUp(bool up) {
  impl_->queue_up.Set(up ? 1 : 0);
}

void Metrics::SetReady(bool ready) {
  impl_->ready.Set(ready ? 1 : 0);
}

void Metrics::SetSnapshotSource(std::function<MetricsSnapshot()> source) {
  impl_->snapshot->Set(std::move(source));
}

std::string Metrics::Expose() const {
  std::vector<prometheus::MetricFamily> families = impl_->registry->Collect();
  for (prometheus::MetricFamily& family : impl_->snapshot->Collect()) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace dvren::server
