// A daemon that renders and trains on a CUDA device by its configuration alone (devices: [cuda:0], as --device cuda:0
// says it): what it answers is the CPU's to the bit. On the host executor, and on a GPU where there is one.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "dvren/core/device.h"
#include "support/test_daemon.h"

namespace dvren::test {
namespace {

bool NoCuda() {
  if (GpuCount() > 0) return false;
  WARN("SKIPPED: no CUDA device in this build or on this machine; nothing was compared");
  return true;
}

void Use(server::Config& config, const char* device) {
  config.devices = {device};
}

std::vector<float> Waves(std::int64_t n) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < n * n * n * 4; ++i) values.push_back(static_cast<float>(i * 2654435761u % 1000) * 1e-3f);
  return values;
}

struct Trained {
  std::vector<double> losses;
  std::string values;
};
Trained Train(DaemonStubs& daemon) {
  v1::CreateSessionRequest request;
  request.set_field("blob");
  request.mutable_dataset()->set_synthetic("gaussian");
  v1::Recipe* recipe = request.mutable_recipe();
  recipe->set_steps(30);
  recipe->mutable_field()->set_sh_degree(1);
  v1::StageRecipe* stage = recipe->add_stages();
  stage->set_resolution(16);
  stage->set_rays(512);
  recipe->mutable_rays()->set_background("black");
  v1::Session session;
  {
    grpc::ClientContext context;
    const grpc::Status status = daemon.training->CreateSession(&context, request, &session);
    INFO(status.error_message());
    REQUIRE(status.ok());
  }
  Trained trained;
  {
    grpc::ClientContext context;
    v1::StreamTrainRequest stream;
    stream.set_session(session.name());
    stream.set_report_every_steps(5);
    auto reader = daemon.training->StreamTrain(&context, stream);
    for (v1::StreamTrainResponse response; reader->Read(&response);) {
      if (response.has_report()) trained.losses.push_back(response.report().loss());
    }
    const grpc::Status status = reader->Finish();
    INFO(status.error_message());
    REQUIRE(status.ok());
  }
  v1::Field field;
  {
    grpc::ClientContext context;
    v1::PublishFieldRequest publish;
    publish.set_session(session.name());
    const grpc::Status status = daemon.training->PublishField(&context, publish, &field);
    INFO(status.error_message());
    REQUIRE(status.ok());
  }
  const DownloadResult download = Download(daemon, field.name());
  REQUIRE(download.status.ok());
  trained.values = download.bytes;
  return trained;
}

}  // namespace

TEST_CASE("A daemon with device cuda:0 renders the CPU's bits") {
  if (NoCuda()) return;
  std::vector<std::string> images;
  for (const char* device : {"cpu", "cuda:0"}) {
    TestDaemon daemon([&](server::Config& config) { Use(config, device); });
    const auto [status, field] = Create(*daemon, RawField("waves", {16, 16, 16, 4}, Waves(16)));
    REQUIRE(status.ok());
    const RenderResult result = Render(*daemon, Picture(field.name(), 48, 0.02));
    INFO(device << ": " << result.status.error_message());
    REQUIRE(result.status.ok());
    images.push_back(result.image(v1::AOV_RGB));
    grpc::ClientContext context;
    v1::ListDevicesResponse devices;
    REQUIRE(daemon->admin->ListDevices(&context, {}, &devices).ok());
    REQUIRE(devices.devices_size() == 1);
    CHECK(devices.devices(0).id() == device);
    CHECK(devices.devices(0).healthy());
    CHECK((devices.devices(0).multiprocessors() > 0) == (std::string(device) == "cuda:0"));
  }
  CHECK(images[0].size() > 48 * 48);
  CHECK(images[0] == images[1]);
}

TEST_CASE("A daemon with device cuda:0 trains the CPU's bits") {
  if (NoCuda()) return;
  std::vector<Trained> runs;
  for (const char* device : {"cpu", "cuda:0"}) {
    TestDaemon daemon([&](server::Config& config) { Use(config, device); });
    runs.push_back(Train(*daemon));
  }
  REQUIRE(runs[0].losses.size() > 1);
  CHECK(runs[0].losses == runs[1].losses);
  CHECK(runs[0].values == runs[1].values);
}

}  // namespace dvren::test
