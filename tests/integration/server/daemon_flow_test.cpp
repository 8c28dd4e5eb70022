// Callers that are slow, go away or run out of time: the device is free for others and the daemon unharmed.
#include <catch2/catch.hpp>
#include <chrono>

#include "support/test_daemon.h"

namespace dvren::test {
namespace {

// Minutes of work, in slices of some tenths of a second: a thin fog that no ray is stopped by.
v1::RenderRequest LongPicture() {
  v1::RenderRequest request = Picture("fog", 4096, 1.0 / 4000);
  request.mutable_sampling()->set_early_stop(0);
  return request;
}

TEST_CASE("A slow reader parks its render, and others are served meanwhile") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  const v1::RenderRequest large = Picture("fog", 4096, 0.5);  // 192 MiB of image, little work
  grpc::ClientContext context;
  const auto slow = daemon->render->Render(&context, large);
  v1::RenderResponse message;
  REQUIRE(slow->Read(&message));
  const int tiles = message.header().tiles();
  CHECK(tiles == 1024);
  // Each of these would wait forever if the unread render kept the device.
  for (int i = 0; i < 50; ++i) CHECK(Render(*daemon, Picture("fog", 16, 0.1)).status.ok());
  CHECK(daemon.queue_depth() == 1);
  int received = 0;
  while (slow->Read(&message)) received += message.has_tile() ? 1 : 0;
  CHECK(slow->Finish().ok());
  CHECK(received == tiles);
  CHECK(daemon.BecomesIdle());
}

TEST_CASE("A caller that goes away in mid-stream ends its render") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 0.01f)).first.ok());
  {
    grpc::ClientContext context;
    const auto reader = daemon->render->Render(&context, LongPicture());
    v1::RenderResponse message;
    REQUIRE(reader->Read(&message));
    REQUIRE(reader->Read(&message));
    context.TryCancel();
    while (reader->Read(&message)) {
    }
    CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
  }
  CHECK(daemon.BecomesIdle());
  CHECK(Render(*daemon, Picture("fog", 16, 0.1)).status.ok());
}

TEST_CASE("A caller that goes away while its render is parked ends it too") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  {
    grpc::ClientContext context;
    const auto reader = daemon->render->Render(&context, Picture("fog", 4096, 0.5));
    v1::RenderResponse message;
    REQUIRE(reader->Read(&message));
    for (int i = 0; i < 10; ++i) CHECK(Render(*daemon, Picture("fog", 16, 0.1)).status.ok());
    context.TryCancel();
    while (reader->Read(&message)) {
    }
    CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
  }
  CHECK(daemon.BecomesIdle());
}

TEST_CASE("A render whose time is up stops") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 0.01f)).first.ok());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  const auto reader = daemon->render->Render(&context, LongPicture());
  v1::RenderResponse message;
  while (reader->Read(&message)) {
  }
  CHECK(reader->Finish().error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(daemon.BecomesIdle());
}

TEST_CASE("A daemon that stops while a render runs tells its caller") {
  auto daemon = std::make_unique<TestDaemon>();
  REQUIRE(Create(**daemon, ConstantField("fog", 0.01f)).first.ok());
  const DaemonStubs& stubs = **daemon;
  grpc::ClientContext context;
  const auto reader = stubs.render->Render(&context, LongPicture());
  v1::RenderResponse message;
  REQUIRE(reader->Read(&message));
  std::shared_ptr<grpc::Channel> channel = stubs.channel;  // outlives the daemon for the last words
  daemon.reset();
  while (reader->Read(&message)) {
  }
  CHECK(reader->Finish().error_code() == grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace dvren::test
