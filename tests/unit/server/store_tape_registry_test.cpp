#include "server/registries/tape_registry.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "dvren/render/renderer.h"
#include "unit/jobs/scheduler_fixture.h"
#include "unit/server/store_fixture.h"

namespace dvren::server {
namespace {

using std::chrono::seconds;

// A tape of `edge` x `edge` pixels, with nothing rendered into it.
Tape SomeTape(int edge = 4) {
  static const std::shared_ptr<Device> device = OneCpu().front();
  Stream stream = *device->CreateStream();
  Scene scene;
  scene.instances.emplace_back();
  scene.instances.front().field = *CreateField(stream, io::Volume(test::SmallVolume()));
  PlanSpec spec;
  spec.camera = OrbitCamera(SceneWorldBox(scene), 0, 0, 0, 40, edge, edge);
  spec.sampling.dt = 0.1;
  return *Renderer().MakeTape(stream, *Planner::Make(device, spec), scene);
}

KeptTape Kept(TapeRegistry& registry, const std::string& owner = "alice") {
  KeptTape kept{SomeTape(), owner, "fields/1", 1, v1::AXIS_CONVENTION_OPENCV, {}};
  kept.charge = *registry.Reserve(owner, kept.tape.bytes());
  return kept;
}

TapeRegistryOptions Timed(const std::shared_ptr<ManualTime>& time) {
  TapeRegistryOptions options;
  options.time = time;
  options.lease = seconds(10);
  options.max_lease = seconds(100);
  return options;
}

bool BecomesEmpty(const TapeRegistry& registry) {
  for (int i = 0; i < 5000 && registry.count() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return registry.count() == 0;
}

TEST_CASE("A tape is its owner's, and gone when it is released") {
  TapeRegistry registry(TapeRegistryOptions{});
  const auto ticket = registry.Keep(Kept(registry), seconds(10));
  REQUIRE(ticket.ok());
  CHECK(ticket->name.rfind("tapes/", 0) == 0);
  CHECK(ticket->name.size() == std::string("tapes/").size() + 32);
  CHECK(registry.Use("alice", ticket->name).ok());
  CHECK(absl::IsNotFound(registry.Use("bob", ticket->name).status()));
  CHECK(absl::IsNotFound(registry.Release("bob", ticket->name)));
  CHECK(registry.bytes() == 4 * 4 * 20);
  REQUIRE(registry.Release("alice", ticket->name).ok());
  CHECK(registry.bytes() == 0);
  CHECK(registry.count() == 0);
  CHECK(absl::IsNotFound(registry.Use("alice", ticket->name).status()));
}

TEST_CASE("A tape that is not used expires, and its memory is given back without anybody asking") {
  const auto time = std::make_shared<ManualTime>();
  TapeRegistry registry(Timed(time));
  const auto ticket = registry.Keep(Kept(registry), seconds(10));
  REQUIRE(ticket.ok());
  time->Advance(seconds(9));
  CHECK(registry.Use("alice", ticket->name).ok());  // begins the lease anew
  time->Advance(seconds(9));
  CHECK(registry.count() == 1);
  time->Advance(seconds(1));
  const auto expired = registry.Use("alice", ticket->name);
  CHECK(absl::IsNotFound(expired.status()));
  CHECK(std::string(expired.status().message()).find("it may have expired") != std::string::npos);
  CHECK(BecomesEmpty(registry));
  CHECK(registry.bytes() == 0);
}

TEST_CASE("A tape in use does not expire, and is kept by who holds it after it was released") {
  const auto time = std::make_shared<ManualTime>();
  TapeRegistry registry(Timed(time));
  const auto ticket = registry.Keep(Kept(registry), seconds(10));
  REQUIRE(ticket.ok());
  auto held = *registry.Use("alice", ticket->name);
  time->Advance(seconds(50));
  CHECK(registry.Use("alice", ticket->name).ok());
  REQUIRE(registry.Release("alice", ticket->name).ok());
  CHECK(registry.bytes() == 4 * 4 * 20);
  CHECK(held->roi() == Roi{0, 0, 4, 4});
  held.reset();
  CHECK(registry.bytes() == 0);
}

TEST_CASE("A lease is the default one, or what is asked for within the limit; never what was not asked for") {
  const auto time = std::make_shared<ManualTime>();
  TapeRegistry registry(Timed(time));
  CHECK(*registry.DecodeLease(nullptr) == seconds(10));
  google::protobuf::Duration asked;
  const auto code = [&](std::int64_t whole, int nanos) {
    asked.set_seconds(whole);
    asked.set_nanos(nanos);
    return registry.DecodeLease(&asked).status().code();
  };
  CHECK(code(100, 0) == absl::StatusCode::kOk);
  CHECK(code(0, 1) == absl::StatusCode::kOk);
  CHECK(code(100, 1) == absl::StatusCode::kInvalidArgument);
  CHECK(code(0, 0) == absl::StatusCode::kInvalidArgument);
  CHECK(code(-1, 0) == absl::StatusCode::kInvalidArgument);
  CHECK(code(1, -1) == absl::StatusCode::kInvalidArgument);
  CHECK(code(1, 1'000'000'000) == absl::StatusCode::kInvalidArgument);
  CHECK(code(std::numeric_limits<std::int64_t>::max(), 0) == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("A budget that is used up is told by key, number and remedy") {
  TapeRegistryOptions options;
  options.max_tenant_bytes = 700;
  options.max_bytes = 1000;
  TapeRegistry registry(options);
  const auto alice = registry.Reserve("alice", 640);
  REQUIRE(alice.ok());
  const auto more = registry.Reserve("alice", 100);
  CHECK(absl::IsResourceExhausted(more.status()));
  CHECK(std::string(more.status().message())
            .find("tape = 100 bytes: tapes.max_tenant_bytes = 700 and 640 are in use; release tapes (ReleaseTape)") ==
        0);
  CHECK(std::string(registry.Reserve("bob", 400).status().message()).find("tapes.max_bytes = 1000") !=
        std::string::npos);
  CHECK(registry.Reserve("bob", 300).ok());
}

}  // namespace
}  // namespace dvren::server
