#include "server/registries/session_registry.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "server/registries/checkpoint_store.h"
#include "support/temp_folder.h"
#include "unit/jobs/scheduler_fixture.h"

namespace dvren::server {
namespace {

using std::chrono::seconds;

SessionParts Parts(const std::string& owner = "alice", std::int64_t step = 0) {
  SessionParts parts;
  parts.description.set_owner(owner);
  parts.description.set_field("lego");
  parts.description.set_device("cpu");
  parts.description.set_step(step);
  parts.description.mutable_recipe()->set_steps(100);
  return parts;
}

std::shared_ptr<TrainingSession> Make(SessionRegistry& registry, const std::string& owner = "alice",
                                      const std::string& request_id = "") {
  auto place = registry.Reserve(owner, request_id);
  REQUIRE(place.ok());
  return registry.Add(*std::move(place), Parts(owner));
}

v1::TrainReport At(std::int64_t step, double train_seconds) {
  v1::TrainReport report;
  report.set_step(step);
  report.set_total_train_seconds(train_seconds);
  return report;
}

TEST_CASE("A session is its owner's, and gone when it is closed") {
  SessionRegistry registry(SessionRegistryOptions{});
  const auto session = Make(registry);
  CHECK(session->name().rfind("sessions/", 0) == 0);
  CHECK(*registry.Find("alice", session->name()) == session);
  CHECK(absl::IsNotFound(registry.Find("bob", session->name()).status()));
  CHECK(absl::IsNotFound(registry.Close("bob", session->name())));
  CHECK(registry.List("bob").empty());
  REQUIRE(registry.List("alice").size() == 1);
  CHECK_FALSE(session->closed());
  REQUIRE(registry.Close("alice", session->name()).ok());
  CHECK(session->closed());
  CHECK(absl::IsNotFound(registry.Find("alice", session->name()).status()));
  CHECK(registry.count() == 0);
}

TEST_CASE("Sessions are listed oldest first, and described as they are") {
  SessionRegistry registry(SessionRegistryOptions{});
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) names.push_back(Make(registry)->name());
  const auto sessions = registry.List("alice");
  REQUIRE(sessions.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(sessions[i]->name() == names[i]);
  sessions[0]->Trained(At(100, 2.5));
  const v1::Session message = registry.Describe(*sessions[0]);
  CHECK(message.name() == names[0]);
  CHECK(message.step() == 100);
  CHECK(message.finished());
  CHECK(message.last_report().total_train_seconds() == 2.5);
  CHECK(sessions[0]->train_seconds() == 2.5);
  CHECK(message.expire_time().seconds() > message.create_time().seconds() + 3500);
  CHECK_FALSE(registry.Describe(*sessions[1]).has_last_report());
}

TEST_CASE("Of two that would train a session one is told who does it") {
  SessionRegistry registry(SessionRegistryOptions{});
  const auto session = Make(registry);
  {
    auto first = session->BeginTraining("StreamTrain (request 12ab)", nullptr);
    REQUIRE(first.ok());
    CHECK(registry.Describe(*session).busy() == "StreamTrain (request 12ab)");
    const auto second = session->BeginTraining("TrainStep", nullptr);
    CHECK(absl::IsFailedPrecondition(second.status()));
    CHECK(std::string(second.status().message()).find("is being trained by StreamTrain (request 12ab)") !=
          std::string::npos);
  }
  CHECK(registry.Describe(*session).busy().empty());
  CHECK(session->BeginTraining("TrainStep", nullptr).ok());
}

TEST_CASE("Training waits while somebody holds the values, and is woken by the last who lets go") {
  SessionRegistry registry(SessionRegistryOptions{});
  const auto session = Make(registry);
  int woken = 0;
  const auto writer = session->BeginTraining("StreamTrain", [&] { ++woken; });
  REQUIRE(writer.ok());
  CHECK(session->MayStep());
  TrainingSession::Hold first = session->HoldValues();
  TrainingSession::Hold second = session->HoldValues();
  CHECK_FALSE(session->MayStep());
  first.reset();
  CHECK(woken == 0);
  CHECK_FALSE(session->MayStep());
  second.reset();
  CHECK(woken == 1);
  CHECK(session->MayStep());
}

TEST_CASE("Closing and draining wake who trains, so that it sees them") {
  SessionRegistry registry(SessionRegistryOptions{});
  const auto session = Make(registry);
  int woken = 0;
  const auto writer = session->BeginTraining("StreamTrain", [&] { ++woken; });
  registry.BeginDrain();
  CHECK(woken == 1);
  CHECK(registry.draining());
  REQUIRE(registry.Close("alice", session->name()).ok());
  CHECK(woken == 2);
}

TEST_CASE("A retry finds the session that its first attempt made, or made meanwhile") {
  SessionRegistry registry(SessionRegistryOptions{});
  CHECK(registry.FindCreated("alice", "r1") == nullptr);
  {
    const auto place = registry.Reserve("alice", "r1");
    REQUIRE(place.ok());
    CHECK(absl::IsAborted(registry.Reserve("alice", "r1").status()));
    CHECK(registry.Reserve("bob", "r1").ok());
  }
  const auto session = Make(registry, "alice", "r1");  // the first attempt has failed; its id is free
  CHECK(registry.FindCreated("alice", "r1") == session);
  CHECK(registry.FindCreated("bob", "r1") == nullptr);
  CHECK(registry.FindCreated("alice", "") == nullptr);
  CHECK(absl::IsInvalidArgument(registry.Reserve("alice", "a b").status()));
}

TEST_CASE("There are no more sessions than the limit, those in the making included") {
  SessionRegistryOptions options;
  options.max_sessions = 2;
  SessionRegistry registry(options);
  const auto session = Make(registry);
  {
    const auto place = registry.Reserve("bob", "");
    REQUIRE(place.ok());
    const auto refused = registry.Reserve("bob", "");
    CHECK(absl::IsResourceExhausted(refused.status()));
    CHECK(std::string(refused.status().message()).find("sessions = 2: training.max_sessions = 2") == 0);
  }
  CHECK(registry.Reserve("bob", "").ok());
}

TEST_CASE("Sessions take their bytes from the budget, and give them back") {
  SessionRegistryOptions options;
  options.max_tenant_bytes = 100;
  SessionRegistry registry(options);
  auto place = registry.Reserve("alice", "");
  SessionParts parts = Parts();
  parts.charge = *registry.Charge("alice", 60);
  const auto session = registry.Add(*std::move(place), std::move(parts));
  CHECK(registry.Describe(*session).bytes() == 60);
  const auto refused = registry.Charge("alice", 41);
  CHECK(absl::IsResourceExhausted(refused.status()));
  CHECK(std::string(refused.status().message()).find("session = 41 bytes: training.max_tenant_bytes = 100") == 0);
  CHECK(registry.Charge("bob", 100).ok());
  CHECK(registry.bytes() == 60);
}

TEST_CASE("A session that nobody uses is handed over to be saved, one that is used is not") {
  const auto time = std::make_shared<ManualTime>();
  SessionRegistryOptions options;
  options.time = time;
  options.idle = seconds(10);
  SessionRegistry registry(options);
  const auto idle = Make(registry);
  const auto trained = Make(registry);
  const auto held = Make(registry);
  auto writer = trained->BeginTraining("StreamTrain", nullptr);
  auto hold = held->HoldValues();
  std::atomic<int> calls{0}, wrong{0};
  registry.OnIdle([&](const std::shared_ptr<TrainingSession>& session) {
    if (session != idle) ++wrong;
    ++calls;
    static_cast<void>(registry.Close(session->owner(), session->name()));
  });
  time->Advance(seconds(9));
  CHECK(registry.Find("alice", idle->name()).ok());  // begins the time anew
  time->Advance(seconds(9));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(calls == 0);
  time->Advance(seconds(2));
  for (int i = 0; i < 5000 && registry.count() > 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(registry.count() == 2);
  registry.OnIdle(nullptr);
  CHECK(calls == 1);
  CHECK(wrong == 0);
}

TEST_CASE("Steps are unsaved from the first one on until they are saved") {
  SessionRegistry registry(SessionRegistryOptions{});
  auto place = registry.Reserve("alice", "");
  const auto session = registry.Add(*std::move(place), Parts("alice", 40));  // as restored
  CHECK(session->step() == 40);
  CHECK_FALSE(session->has_unsaved_steps());
  session->Trained(At(41, 1));
  CHECK(session->has_unsaved_steps());
  session->Saved(41);
  CHECK_FALSE(session->has_unsaved_steps());
}

TEST_CASE("Checkpoints lie in a folder of their tenant's, whatever it is called") {
  const test::TempFolder folder;
  const auto store = CheckpointStore::Open(folder.path());
  REQUIRE(store.ok());
  const std::string path = *store->PathToWrite("..", "lego-1.a");
  CHECK(path == folder / "checkpoints/t-../lego-1.a.dvckpt");
  CHECK(absl::IsNotFound(store->PathToRead("..", "checkpoints/lego-1.a").status()));
  std::ofstream(path) << "x";
  CHECK(*store->PathToRead("..", "checkpoints/lego-1.a") == path);
  CHECK(absl::IsNotFound(store->PathToRead("bob", "lego-1.a").status()));
  CHECK(CheckpointName("a") == "checkpoints/a");
  CHECK(CheckpointName("checkpoints/a") == "checkpoints/a");
  for (const std::string& name : {std::string(""), std::string(".."), std::string(".a"), std::string("a/b"),
                                  std::string("a b"), std::string("a\0b", 3), std::string(129, 'a')}) {
    CHECK(absl::IsInvalidArgument(store->PathToWrite("alice", name).status()));
    CHECK(absl::IsInvalidArgument(store->PathToRead("alice", "checkpoints/" + name).status()));
  }
}

TEST_CASE("What a save that was cut off has left is gone at the next start") {
  const test::TempFolder folder;
  const auto store = CheckpointStore::Open(folder.path());
  const std::string path = *store->PathToWrite("alice", "a");
  std::ofstream(path) << "whole";
  std::ofstream(path + ".tmp-12-0") << "half";
  REQUIRE(CheckpointStore::Open(folder.path()).ok());
  CHECK(std::filesystem::exists(path));
  CHECK_FALSE(std::filesystem::exists(path + ".tmp-12-0"));
}

}  // namespace
}  // namespace dvren::server
