#include "server/metrics/metrics.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"

#include "server/metrics/metrics_endpoint.h"

namespace dvren::server {
namespace {

bool Exposes(const Metrics& metrics, const std::string& line) {
  const std::string text = metrics.Expose();
  INFO(text);
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("A request is in flight until it has finished, and then counted by method and code") {
  Metrics metrics;
  metrics.RequestStarted();
  CHECK(Exposes(metrics, "dvrend_inflight_requests 1"));
  metrics.RequestFinished("FieldService/GetField", "NOT_FOUND", 0.001);
  CHECK(Exposes(metrics, "dvrend_inflight_requests 0"));
  CHECK(Exposes(metrics, R"(dvrend_requests_total{code="NOT_FOUND",method="FieldService/GetField"} 1)"));
  CHECK(Exposes(metrics, R"(dvrend_request_duration_seconds_count{method="FieldService/GetField"} 1)"));
}

TEST_CASE("Work is counted under its metric's name") {
  Metrics metrics;
  metrics.Kernel("render", "cpu", 100, 2000, 0.01);
  metrics.Kernel("render", "cpu", 1, 2, 0.01);
  metrics.Rejected("queue_full");
  metrics.Cancelled("parked");
  metrics.Transferred("out", 42);
  metrics.QueueWait("batch", 1.5);
  metrics.SetReady(true);
  CHECK(Exposes(metrics, R"(dvrend_rays_total{device="cpu",op="render"} 101)"));
  CHECK(Exposes(metrics, R"(dvrend_samples_total{device="cpu",op="render"} 2002)"));
  CHECK(Exposes(metrics, R"(dvrend_kernel_duration_seconds_count{device="cpu",op="render"} 2)"));
  CHECK(Exposes(metrics, R"(dvrend_rejected_total{reason="queue_full"} 1)"));
  CHECK(Exposes(metrics, R"(dvrend_cancelled_total{stage="parked"} 1)"));
  CHECK(Exposes(metrics, R"(dvrend_transfer_bytes_total{direction="out"} 42)"));
  metrics.DeviceSeconds("alice", "cpu", 1.5);
  metrics.DeviceSeconds("alice", "cpu", 1);
  CHECK(Exposes(metrics, R"(dvrend_device_seconds_total{device="cpu",tenant="alice"} 2.5)"));
  CHECK(Exposes(metrics, R"(dvrend_queue_wait_seconds_count{class="batch"} 1)"));
  CHECK(Exposes(metrics, "dvrend_ready 1"));
  CHECK(metrics.Expose().find("dvrend_build_info{") != std::string::npos);
}

TEST_CASE("The first hundred tenants have a label of their own, the others one together") {
  Metrics metrics;
  for (int i = 0; i < 103; ++i) metrics.DeviceSeconds(absl::StrCat("t", i), "cpu", 1);
  CHECK(Exposes(metrics, R"(dvrend_device_seconds_total{device="cpu",tenant="t99"} 1)"));
  CHECK_FALSE(Exposes(metrics, R"(tenant="t100")"));
  CHECK(Exposes(metrics, R"(dvrend_device_seconds_total{device="cpu",tenant="other"} 3)"));
}

TEST_CASE("Gauges of the snapshot are read on each scrape and go with their source") {
  Metrics metrics;
  double depth = 3;
  metrics.SetSnapshotSource([&] {
    MetricsSnapshot snapshot;
    snapshot.queued_normal = depth;
    snapshot.devices.push_back({"cpu", 10, 20});
    snapshot.fields_on_disk = 2;
    snapshot.tapes = 3;
    snapshot.tape_bytes = 60;
    return snapshot;
  });
  CHECK(Exposes(metrics, R"(dvrend_queue_depth{class="normal"} 3)"));
  depth = 4;
  CHECK(Exposes(metrics, R"(dvrend_queue_depth{class="normal"} 4)"));
  CHECK(Exposes(metrics, R"(dvrend_device_memory_bytes{device="cpu",state="used"} 10)"));
  CHECK(Exposes(metrics, R"(dvrend_fields_resident{tier="disk"} 2)"));
  CHECK(Exposes(metrics, "dvrend_tapes 3"));
  CHECK(Exposes(metrics, "dvrend_tape_bytes 60"));
  metrics.SetSnapshotSource(nullptr);
  CHECK(metrics.Expose().find("dvrend_queue_depth") == std::string::npos);
}

TEST_CASE("The endpoint takes a free port and refuses one that is taken") {
  Metrics metrics;
  const auto first = MetricsEndpoint::Open("127.0.0.1:0", metrics);
  INFO(first.status().message());
  REQUIRE(first.ok());
  CHECK((*first)->address() != "127.0.0.1:0");
  const auto second = MetricsEndpoint::Open((*first)->address(), metrics);
  REQUIRE_FALSE(second.ok());
  CHECK(second.status().code() == absl::StatusCode::kUnavailable);
  CHECK(std::string(second.status().message()).find("metrics = " + (*first)->address()) == 0);
}

}  // namespace
}  // namespace dvren::server
