// A disk that fills up while a checkpoint is written: the save fails, the one of the same name that was there stays
// whole, and the session goes on.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "support/dvrend_process.h"
#include "support/test_daemon.h"

namespace dvren::test {
namespace {

v1::Session Begin(DaemonStubs& daemon, const std::string& checkpoint) {
  v1::CreateSessionRequest request;
  request.set_field("blob");
  request.set_checkpoint(checkpoint);
  request.mutable_dataset()->set_synthetic("gaussian");
  request.mutable_recipe()->set_steps(60);
  request.mutable_recipe()->mutable_field()->set_sh_degree(0);
  v1::StageRecipe* small = request.mutable_recipe()->add_stages();
  small->set_resolution(10);
  small->set_rays(128);
  v1::StageRecipe* large = request.mutable_recipe()->add_stages();
  large->set_from_step(20);
  large->set_resolution(48);
  large->set_rays(128);
  grpc::ClientContext context;
  v1::Session session;
  const grpc::Status status = daemon.training->CreateSession(&context, request, &session);
  INFO(status.error_message());
  REQUIRE(status.ok());
  return session;
}

std::int64_t Step(DaemonStubs& daemon, const v1::Session& session, std::int64_t steps) {
  grpc::ClientContext context;
  v1::TrainStepRequest request;
  request.set_session(session.name());
  request.set_steps(steps);
  v1::TrainStepResponse response;
  REQUIRE(daemon.training->TrainStep(&context, request, &response).ok());
  return response.step();
}

grpc::Status Save(DaemonStubs& daemon, const v1::Session& session) {
  grpc::ClientContext context;
  v1::SaveCheckpointRequest request;
  request.set_session(session.name());
  request.set_name("run");
  v1::Checkpoint checkpoint;
  return daemon.training->SaveCheckpoint(&context, request, &checkpoint);
}

TEST_CASE("A checkpoint that does not fit the disk leaves the one before whole, and the session goes on") {
  const TempFolder folder;
  // 10^3 voxels take some 50 KiB with values and moments, 48^3 more than 1 MiB.
  DvrendProcess process(folder.path(), /*max_file_bytes=*/std::uint64_t{512} << 10);
  DaemonStubs daemon(process.address());
  const v1::Session session = Begin(daemon, "");
  CHECK(Step(daemon, session, 5) == 5);
  REQUIRE(Save(daemon, session).ok());
  const std::string path = folder / "data/checkpoints/t-default/run.dvckpt";
  const auto bytes = std::filesystem::file_size(path);
  CHECK(Step(daemon, session, 20) == 25);
  const grpc::Status full = Save(daemon, session);
  INFO(full.error_message());
  CHECK(full.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(std::filesystem::file_size(path) == bytes);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "data/checkpoints/t-default")) {
    files += entry.exists() ? 1 : 0;
  }
  CHECK(files == 1);  // nothing half-written beside it
  CHECK(Step(daemon, session, 1) == 26);
  CHECK(Begin(daemon, "run").step() == 5);
}

}  // namespace
}  // namespace dvren::test
