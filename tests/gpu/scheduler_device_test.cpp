// A GPU that fails while a daemon works: its queue ends with UNAVAILABLE, it gets no more work, others go on. On the
// host executor, which can be told to break.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "backends/cuda/runtime.h"
#include "dvren/core/tensor.h"
#include "support/render_fixture.h"
#include "unit/jobs/scheduler_fixture.h"

namespace dvren::server {
namespace {

TEST_CASE("A GPU that fails takes its queue with it and nothing else") {
  const auto cuda = test::Get(Device::Create({.id = "cuda:0"}));
  const auto cpu = test::Get(Device::Create({.id = "cpu", .threads = 1}));
  Scheduler::Options options;
  std::vector<std::string> failed;  // by the one worker that fails
  options.observer.on_device_failure = [&](const std::string& device, const absl::Status& why) {
    failed.push_back(device + ": " + std::string(why.message()));
  };
  {
    Scheduler scheduler({cuda, cpu}, std::move(options));
    WorkOptions on_cuda;
    on_cuda.device = "cuda:0";
    Gate begin;
    const auto breaks = MakeWork([&](Stream& stream) {
      begin.Wait();
      hp::cuda::BreakForTest("an illegal memory access was encountered");
      const Scene scene = test::SceneOf(stream, test::Constant(1, Box{}));
      test::Rays rays;
      rays.Add({0.5, 0.5, -1}, {0, 0, 1});
      PlanSpec spec;
      spec.sampling.dt = 0.1;
      CHECK_THROWS(rays.Render(stream, scene, spec));
      return SliceResult::kDone;
    });
    const auto behind = InstantWork();
    REQUIRE(scheduler.Submit(breaks, on_cuda).ok());
    REQUIRE(scheduler.Submit(behind, on_cuda).ok());
    begin.Open();
    CHECK(breaks->Wait().ok());
    const absl::Status ended = behind->Wait();
    CHECK(ended.code() == absl::StatusCode::kUnavailable);
    CHECK(std::string(ended.message()).find("device = cuda:0: has failed") != std::string::npos);
    CHECK(behind->slices() == 0);
    for (const DeviceQueueStatus& status : scheduler.Status()) CHECK(status.healthy == (status.device == "cpu"));
    CHECK(scheduler.Submit(InstantWork(), on_cuda).status().code() == absl::StatusCode::kUnavailable);
    // What may run anywhere runs on the other.
    const auto anywhere = InstantWork();
    REQUIRE(scheduler.Submit(anywhere, {}).ok());
    CHECK(anywhere->Wait().ok());
    scheduler.Drain(std::chrono::milliseconds(100));
  }
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].find("cuda:0: device = cuda:0: has failed") == 0);
}

}  // namespace
}  // namespace dvren::server
