// SIGTERM in the middle of a render: the render is admitted work, so it is finished, and then the daemon ends.
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "support/dvrend_process.h"
#include "support/temp_folder.h"
#include "support/test_daemon.h"

namespace dvren::test {
namespace {

bool SomethingRenders(DaemonStubs& daemon) {
  grpc::ClientContext context;
  v1::ListDevicesResponse devices;
  return daemon.admin->ListDevices(&context, {}, &devices).ok() && devices.devices_size() == 1 &&
         devices.devices(0).busy_seconds() > 0;
}

TEST_CASE("A render that was admitted before SIGTERM is finished, and the daemon exits 0") {
  const TempFolder folder;
  DvrendProcess process(folder.path());
  DaemonStubs daemon(process.address());
  REQUIRE(Create(daemon, ConstantField("fog", 0.01F)).first.ok());
  RenderResult result;
  // Tens of tiles of some milliseconds each: there is time to be interrupted.
  std::thread render([&] { result = Render(daemon, Picture("fog", 1024, 0.01)); });
  while (!SomethingRenders(daemon)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const int exit_code = process.Terminate();
  render.join();
  CHECK(exit_code == 0);
  CHECK(result.status.error_message() == "");
  CHECK(result.status.ok());
  CHECK(result.tiles == result.header.tiles());
  CHECK(result.summary.stats().rays() == 1024 * 1024);
}

}  // namespace
}  // namespace dvren::test
