// Tapes and what Backward refuses: bad dL/d(image), tapes that are stale, gone or somebody else's, full budgets,
// callers that go away.
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "server/registries/digest.h"
#include "support/gradient_calls.h"

namespace dvren::test {
namespace {

using grpc::StatusCode;

const std::function<void(v1::GradientRequest&)> kValues = [](v1::GradientRequest& want) { want.set_values(true); };
const std::function<void(v1::GradientRequest&)> kAccumulate = [](v1::GradientRequest& want) {
  want.set_accumulate(true);
};

v1::RenderRequest OpacityPicture(const std::string& field, int edge, double dt) {
  v1::RenderRequest request = Picture(field, edge, dt);
  request.add_aovs(v1::AOV_OPACITY);
  return request;
}

void SetValue(v1::RenderTile& tile, std::size_t index, float value) {
  std::string& bytes = *tile.mutable_images(0)->mutable_tensor()->mutable_payload()->mutable_inline_();
  std::memcpy(bytes.data() + index * sizeof value, &value, sizeof value);
}

void CheckRefused(const grpc::Status& status, StatusCode code, const std::string& message) {
  INFO(message << " | " << status.error_message());
  CHECK(status.error_code() == code);
  CHECK(status.error_message().find(message) != std::string::npos);
  CHECK(status.error_message().find('\n') == std::string::npos);
}

TEST_CASE("dL/d(image) that makes no sense is refused by field, value and remedy, and adds nothing") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  v1::RenderRequest picture = OpacityPicture("fog", 64, 0.1);
  picture.set_tile(32);
  const ForwardResult forward = Forward(*daemon, ForwardOf(picture));
  REQUIRE(forward.status.error_message() == "");
  REQUIRE(forward.tiles.size() == 4);
  using Tiles = std::vector<v1::RenderTile>;
  struct Refusal {
    std::function<void(Tiles&)> change;
    std::string message;
  };
  const std::vector<Refusal> refusals = {
      {[](Tiles& t) { SetValue(t[3], 5 * 32 + 7, std::numeric_limits<float>::quiet_NaN()); },
       "adjoint.opacity[y=37,x=39] = nan: must be finite"},
      {[](Tiles& t) { SetValue(t[0], 0, -std::numeric_limits<float>::infinity()); },
       "adjoint.opacity[y=0,x=0] = -inf: must be finite"},
      {[](Tiles& t) { t[1].mutable_images(0)->mutable_tensor()->set_shape(1, 31); },
       "adjoint.opacity.shape = (32, 31): must be (32, 32)"},
      {[](Tiles& t) { t[1].mutable_images(0)->mutable_tensor()->mutable_payload()->mutable_inline_()->pop_back(); },
       "adjoint.opacity.payload.inline = 4095 bytes"},
      {[](Tiles& t) { t[1].mutable_images(0)->mutable_tensor()->set_dtype(v1::DTYPE_F64); },
       "adjoint.opacity.dtype = f64: must be f32"},
      {[](Tiles& t) { t[1].mutable_images(0)->mutable_tensor()->clear_dtype(); }, "adjoint.opacity.dtype = 0"},
      {[](Tiles& t) { t.pop_back(); }, "adjoint = 3072 of 4096 pixels: pixel (x, y) = (32, 32) is in no tile"},
      {[](Tiles& t) { t.clear(); }, "adjoint = absent"},
      {[](Tiles& t) { t.push_back(t[1]); }, "pixel (x, y) = (32, 0) was in an earlier tile"},
      {[](Tiles& t) { t[2].mutable_roi()->set_y(31); }, "pixel (x, y) = (0, 31) was in an earlier tile"},
      {[](Tiles& t) { t[2].mutable_roi()->set_y(33); }, "adjoint.roi = 0, 33, 32 x 32: must lie within"},
      {[](Tiles& t) { t[2].mutable_roi()->set_x(std::numeric_limits<int>::max()); }, "adjoint.roi = 2147483647"},
      {[](Tiles& t) { t[2].mutable_roi()->set_width(0); }, "adjoint.roi = 0, 32, 0 x 32"},
      {[](Tiles& t) { t[0].mutable_images(0)->set_aov(v1::AOV_HIT); },
       "adjoint.images[0].aov = AOV_HIT: must be RGB, OPACITY, TRANSMITTANCE or DEPTH"},
      {[](Tiles& t) { t[1].mutable_images(0)->set_aov(v1::AOV_DEPTH); }, "must be the same AOVs in every tile"},
      {[](Tiles& t) { *t[0].add_images() = t[0].images(0); }, "adjoint.images[1].aov = AOV_OPACITY: is there twice"},
      {[](Tiles& t) { t[0].clear_images(); }, "adjoint.images = none"},
  };
  for (const Refusal& refusal : refusals) {
    Tiles tiles = Adjoints(forward, v1::AOV_OPACITY);
    refusal.change(tiles);
    CheckRefused(Backward(*daemon, Header(forward.tape(), kAccumulate), tiles).status, StatusCode::INVALID_ARGUMENT,
                 refusal.message);
  }
  // Nothing was added, and the tape is as good as before.
  CHECK(DownloadGradient(*daemon, "fog").status.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(Backward(*daemon, Header(forward.tape(), kValues), Adjoints(forward, v1::AOV_OPACITY)).status.ok());
  CHECK(daemon.BecomesIdle());
}

TEST_CASE("A Backward whose messages are out of place is refused") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  const ForwardResult forward = Forward(*daemon, ForwardOf(OpacityPicture("fog", 16, 0.1)));
  REQUIRE(forward.status.error_message() == "");
  const auto tiles = Adjoints(forward, v1::AOV_OPACITY);
  v1::BackwardRequest header, tile;
  *header.mutable_header() = Header(forward.tape(), kValues);
  *tile.mutable_adjoint() = tiles[0];
  const auto outcome = [&](const std::vector<v1::BackwardRequest>& messages) {
    grpc::ClientContext context;
    const auto stream = daemon->render->Backward(&context);
    for (const v1::BackwardRequest& message : messages) {
      if (!stream->Write(message)) break;
    }
    stream->WritesDone();
    v1::BackwardResponse response;
    while (stream->Read(&response)) {
    }
    return stream->Finish();
  };
  CheckRefused(outcome({}), StatusCode::INVALID_ARGUMENT, "part = absent");
  CheckRefused(outcome({tile}), StatusCode::INVALID_ARGUMENT, "part = not a header");
  CheckRefused(outcome({header, header}), StatusCode::INVALID_ARGUMENT, "part = not an adjoint");
  CheckRefused(Backward(*daemon, Header(forward.tape(), [](auto&) {}), tiles).status, StatusCode::INVALID_ARGUMENT,
               "want = nothing");
  CheckRefused(Backward(*daemon, Header(forward.tape(), [](auto& want) { want.set_rays(true); }), tiles).status,
               StatusCode::INVALID_ARGUMENT, "want.rays = true");
  CheckRefused(Backward(*daemon,
                        Header(forward.tape(),
                               [](auto& want) {
                                 want.set_values(true);
                                 want.set_dtype(v1::DTYPE_F16);
                               }),
                        tiles)
                   .status,
               StatusCode::INVALID_ARGUMENT, "want.dtype = DTYPE_F16: must be F32 or F64");
  CheckRefused(Backward(*daemon, Header("tapes/0", kValues), tiles).status, StatusCode::NOT_FOUND,
               "tape = tapes/0: no such tape");
  CHECK(outcome({header, tile}).ok());
}

TEST_CASE("A tape whose field has changed or gone is stale") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  const ForwardResult forward = Forward(*daemon, ForwardOf(OpacityPicture("fog", 16, 0.1)));
  REQUIRE(forward.status.error_message() == "");
  const auto tiles = Adjoints(forward, v1::AOV_OPACITY);
  REQUIRE(Update(*daemon, "fog", {2}).first.error_message() == "");
  CheckRefused(Backward(*daemon, Header(forward.tape(), kValues), tiles).status, StatusCode::ABORTED,
               "is of version 1 of " + forward.summary.tape().field() + ", which has version 2 by now");
  const ForwardResult fresh = Forward(*daemon, ForwardOf(OpacityPicture("fog", 16, 0.1)));
  REQUIRE(fresh.status.error_message() == "");
  CHECK(fresh.summary.tape().field_version() == 2);
  v1::DeleteFieldRequest remove;
  remove.set_name("fog");
  grpc::ClientContext context;
  v1::DeleteFieldResponse removed;
  REQUIRE(daemon->fields->DeleteField(&context, remove, &removed).ok());
  CheckRefused(Backward(*daemon, Header(fresh.tape(), kValues), tiles).status, StatusCode::ABORTED,
               "which has been deleted");
}

TEST_CASE("A tape that was released or has expired is not found") {
  TestDaemon daemon([](server::Config& config) { config.tapes.max_lease_s = 400; });
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  v1::ForwardRequest request = ForwardOf(OpacityPicture("fog", 16, 0.1));
  const ForwardResult forward = Forward(*daemon, request);
  REQUIRE(forward.status.error_message() == "");
  const auto tiles = Adjoints(forward, v1::AOV_OPACITY);
  CHECK(ReleaseTape(*daemon, forward.tape()).ok());
  CheckRefused(ReleaseTape(*daemon, forward.tape()), StatusCode::NOT_FOUND, "it may have expired");
  CheckRefused(Backward(*daemon, Header(forward.tape(), kValues), tiles).status, StatusCode::NOT_FOUND,
               "it may have expired");
  request.mutable_lease()->set_nanos(200'000'000);
  const ForwardResult brief = Forward(*daemon, request);
  REQUIRE(brief.status.error_message() == "");
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  CheckRefused(Backward(*daemon, Header(brief.tape(), kValues), tiles).status, StatusCode::NOT_FOUND,
               "it may have expired");
  request.mutable_lease()->set_seconds(400);
  CheckRefused(Forward(*daemon, request).status, StatusCode::INVALID_ARGUMENT,
               "lease = 400.2 s: must be > 0 and at most tapes.max_lease_s = 400 s");
  request.mutable_lease()->set_seconds(-1);
  CheckRefused(Forward(*daemon, request).status, StatusCode::INVALID_ARGUMENT, "lease = ");
}

TEST_CASE("Another tenant's tape and field gradient are not found") {
  TestDaemon daemon([](server::Config& config) {
    for (const char* name : {"alice", "bob"}) {
      std::string hash = server::Sha256Of(name, std::string(name).size()), hex;
      for (const char c : hash) {
        hex += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
        hex += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
      }
      config.auth.tokens.push_back({name, hex});
    }
  });
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer alice");
  v1::Field field;
  REQUIRE(daemon->fields->CreateField(&context, ConstantField("fog", 1), &field).ok());
  const ForwardResult forward = Forward(*daemon, ForwardOf(OpacityPicture("fog", 16, 0.1)), "alice");
  REQUIRE(forward.status.error_message() == "");
  const auto tiles = Adjoints(forward, v1::AOV_OPACITY);
  CheckRefused(Backward(*daemon, Header(forward.tape(), kValues), tiles, "bob").status, StatusCode::NOT_FOUND,
               "no such tape");
  CheckRefused(ReleaseTape(*daemon, forward.tape(), "bob"), StatusCode::NOT_FOUND, "no such tape");
  CHECK(Backward(*daemon, Header(forward.tape(), kValues), tiles).status.error_code() == StatusCode::UNAUTHENTICATED);
  CHECK(Forward(*daemon, ForwardOf(OpacityPicture("fog", 16, 0.1)), "bob").status.error_code() ==
        StatusCode::NOT_FOUND);
  CHECK(Backward(*daemon, Header(forward.tape(), kValues), tiles, "alice").status.ok());
}

TEST_CASE("A forward whose tape does not fit its budget is refused before it renders") {
  TestDaemon daemon([](server::Config& config) { config.tapes.max_tenant_bytes = 3 * 64 * 64 * 24 / 2; });
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  const v1::ForwardRequest request = ForwardOf(OpacityPicture("fog", 64, 0.1));
  const ForwardResult first = Forward(*daemon, request);
  REQUIRE(first.status.error_message() == "");
  const ForwardResult second = Forward(*daemon, request);
  CheckRefused(second.status, StatusCode::RESOURCE_EXHAUSTED,
               "tape = 98304 bytes: tapes.max_tenant_bytes = 147456 and 81920 are in use; release tapes");
  CHECK(second.tiles.empty());
  CHECK_FALSE(second.header.has_roi());
  REQUIRE(ReleaseTape(*daemon, first.tape()).ok());
  CHECK(Forward(*daemon, request).status.ok());
}

TEST_CASE("Gradients that outgrow their budget are refused") {
  TestDaemon daemon([](server::Config& config) { config.limits.gradient_bytes = 20000; });
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  const ForwardResult forward = Forward(*daemon, ForwardOf(OpacityPicture("fog", 64, 0.1)));
  REQUIRE(forward.status.error_message() == "");
  CheckRefused(Backward(*daemon, Header(forward.tape(), kValues), Adjoints(forward, v1::AOV_OPACITY)).status,
               StatusCode::RESOURCE_EXHAUSTED, "dL/d(image) = 20480 bytes: limits.gradient_bytes = 20000");
}

TEST_CASE("A caller that goes away in mid-forward leaves no tape") {
  TestDaemon daemon([](server::Config& config) { config.tapes.max_tenant_bytes = std::uint64_t{40} << 20; });
  REQUIRE(Create(*daemon, ConstantField("fog", 0.01f)).first.ok());
  v1::RenderRequest slow = OpacityPicture("fog", 1024, 1.0 / 4000);
  slow.mutable_sampling()->set_early_stop(0);
  {
    grpc::ClientContext context;
    const auto reader = daemon->render->Forward(&context, ForwardOf(slow));
    v1::ForwardResponse message;
    REQUIRE(reader->Read(&message));
    REQUIRE(reader->Read(&message));
    // 24 MiB of 40 are taken.
    CHECK(Forward(*daemon, ForwardOf(OpacityPicture("fog", 1024, 0.5))).status.error_code() ==
          StatusCode::RESOURCE_EXHAUSTED);
    context.TryCancel();
    while (reader->Read(&message)) {
    }
    CHECK(reader->Finish().error_code() == StatusCode::CANCELLED);
  }
  CHECK(daemon.BecomesIdle());
  CHECK(Forward(*daemon, ForwardOf(OpacityPicture("fog", 1024, 0.5))).status.error_message() == "");
}

TEST_CASE("A slow reader parks its forward, and others are served meanwhile") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  v1::RenderRequest large = Picture("fog", 2048, 0.5);
  grpc::ClientContext context;
  const auto slow = daemon->render->Forward(&context, ForwardOf(large));
  v1::ForwardResponse message;
  REQUIRE(slow->Read(&message));
  const int tiles = message.header().tiles();
  for (int i = 0; i < 20; ++i) CHECK(Render(*daemon, Picture("fog", 16, 0.1)).status.ok());
  CHECK(daemon.queue_depth() == 1);
  int received = 0;
  bool summary = false;
  while (slow->Read(&message)) {
    received += message.has_tile() ? 1 : 0;
    summary = message.has_summary();
  }
  CHECK(slow->Finish().ok());
  CHECK(received == tiles);
  CHECK(summary);
}

TEST_CASE("A pass that was cancelled while it added spoils the gradient until it is zeroed") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 0.01f)).first.ok());
  v1::RenderRequest slow = OpacityPicture("fog", 640, 1.0 / 1000);
  slow.mutable_sampling()->set_early_stop(0);
  const ForwardResult forward = Forward(*daemon, ForwardOf(slow));
  REQUIRE(forward.status.error_message() == "");
  const auto tiles = Adjoints(forward, v1::AOV_OPACITY);
  v1::BackwardHeader header = Header(forward.tape(), kAccumulate);
  header.set_keep_tape(true);
  {
    grpc::ClientContext context;
    const auto stream = daemon->render->Backward(&context);
    v1::BackwardRequest request;
    *request.mutable_header() = header;
    REQUIRE(stream->Write(request));
    for (const v1::RenderTile& tile : tiles) {
      *request.mutable_adjoint() = tile;
      REQUIRE(stream->Write(request));
    }
    stream->WritesDone();
    // Until its first slices have added something.
    for (int i = 0; i < 2000; ++i) {
      const GradientDownloadResult download = DownloadGradient(*daemon, "fog");
      if (download.status.ok() && download.floats().at(0) != 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(DownloadGradient(*daemon, "fog").status.ok());
    context.TryCancel();
    v1::BackwardResponse response;
    while (stream->Read(&response)) {
    }
    CHECK(stream->Finish().error_code() == StatusCode::CANCELLED);
  }
  REQUIRE(daemon.BecomesIdle());
  CheckRefused(DownloadGradient(*daemon, "fog").status, StatusCode::FAILED_PRECONDITION, "its gradient is spoilt");
  CheckRefused(Backward(*daemon, header, tiles).status, StatusCode::FAILED_PRECONDITION, "its gradient is spoilt");
  REQUIRE(ZeroGradients(*daemon, "fog").ok());
  CHECK(Backward(*daemon, header, tiles).status.error_message() == "");
  CHECK(DownloadGradient(*daemon, "fog").status.ok());
}

TEST_CASE("A pass whose gradient is zeroed under it is told, and leaves nothing in the new one") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 0.01f)).first.ok());
  v1::RenderRequest slow = OpacityPicture("fog", 640, 1.0 / 1000);
  slow.mutable_sampling()->set_early_stop(0);
  const ForwardResult forward = Forward(*daemon, ForwardOf(slow));
  REQUIRE(forward.status.error_message() == "");
  BackwardResult backward;
  std::thread pass(
      [&] { backward = Backward(*daemon, Header(forward.tape(), kAccumulate), Adjoints(forward, v1::AOV_OPACITY)); });
  for (int i = 0; i < 2000; ++i) {
    const GradientDownloadResult download = DownloadGradient(*daemon, "fog");
    if (download.status.ok() && download.floats().at(0) != 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(ZeroGradients(*daemon, "fog").ok());
  pass.join();
  CheckRefused(backward.status, StatusCode::ABORTED, "its gradient was zeroed");
  const GradientDownloadResult download = DownloadGradient(*daemon, "fog");
  REQUIRE(download.status.error_message() == "");
  CHECK(download.floats().at(0) == 0);
}

TEST_CASE("The daemon says what tapes may take") {
  TestDaemon daemon([](server::Config& config) { config.tapes = {1000, 2000, 7, 9}; });
  grpc::ClientContext context;
  v1::ServerInfo info;
  REQUIRE(daemon->admin->GetServerInfo(&context, {}, &info).ok());
  CHECK(info.limits().max_tape_bytes() == 1000);
  CHECK(info.limits().default_tape_lease_s() == 7);
  CHECK(info.limits().max_tape_lease_s() == 9);
  CHECK(info.limits().max_gradient_bytes() == std::uint64_t{8} << 30);
}

}  // namespace
}  // namespace dvren::test
