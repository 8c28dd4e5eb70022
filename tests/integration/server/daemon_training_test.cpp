// Training through the daemon, on photographs that it makes itself: sessions, steps, streams, evaluations, checkpoints,
// published fields, and what is refused.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "dvren/train/synthetic_photos.h"
#include "support/gradient_calls.h"
#include "support/test_daemon.h"

namespace dvren::test {
namespace {

using grpc::StatusCode;

v1::CreateSessionRequest Small(const std::string& field = "blob", std::int64_t steps = 60) {
  v1::CreateSessionRequest request;
  request.set_field(field);
  request.mutable_dataset()->set_synthetic("gaussian");
  v1::Recipe* recipe = request.mutable_recipe();
  recipe->set_steps(steps);
  recipe->mutable_field()->set_sh_degree(0);
  v1::StageRecipe* stage = recipe->add_stages();
  stage->set_resolution(16);
  stage->set_rays(512);
  recipe->mutable_rays()->set_background("black");
  return request;
}

// Calls in a line each. `token`: of a tenant, where tokens are configured.
struct Calls {
  DaemonStubs& daemon;
  std::string token;

  void Prepare(grpc::ClientContext& context) const {
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  }
  std::pair<grpc::Status, v1::Session> Create(const v1::CreateSessionRequest& request) const {
    grpc::ClientContext context;
    Prepare(context);
    v1::Session session;
    const grpc::Status status = daemon.training->CreateSession(&context, request, &session);
    return {status, session};
  }
  std::pair<grpc::Status, v1::Session> Get(const std::string& name) const {
    grpc::ClientContext context;
    Prepare(context);
    v1::GetSessionRequest request;
    request.set_name(name);
    v1::Session session;
    const grpc::Status status = daemon.training->GetSession(&context, request, &session);
    return {status, session};
  }
  std::pair<grpc::Status, v1::TrainStepResponse> Step(const std::string& session, std::int64_t steps,
                                                      std::optional<std::int64_t> expected = std::nullopt) const {
    grpc::ClientContext context;
    Prepare(context);
    v1::TrainStepRequest request;
    request.set_session(session);
    request.set_steps(steps);
    if (expected) request.set_expected_step(*expected);
    v1::TrainStepResponse response;
    const grpc::Status status = daemon.training->TrainStep(&context, request, &response);
    return {status, response};
  }
  std::pair<grpc::Status, v1::Checkpoint> Save(const std::string& session, const std::string& name) const {
    grpc::ClientContext context;
    Prepare(context);
    v1::SaveCheckpointRequest request;
    request.set_session(session);
    request.set_name(name);
    v1::Checkpoint checkpoint;
    const grpc::Status status = daemon.training->SaveCheckpoint(&context, request, &checkpoint);
    return {status, checkpoint};
  }
  std::pair<grpc::Status, v1::Field> Publish(const std::string& session, const std::string& request_id = "") const {
    grpc::ClientContext context;
    Prepare(context);
    v1::PublishFieldRequest request;
    request.set_session(session);
    request.set_request_id(request_id);
    v1::Field field;
    const grpc::Status status = daemon.training->PublishField(&context, request, &field);
    return {status, field};
  }
  grpc::Status Close(const std::string& name) const {
    grpc::ClientContext context;
    Prepare(context);
    v1::CloseSessionRequest request;
    request.set_name(name);
    v1::CloseSessionResponse response;
    return daemon.training->CloseSession(&context, request, &response);
  }
};

struct Streamed {
  grpc::Status status;
  std::vector<v1::TrainReport> reports;
  std::optional<v1::Session> session;
};
// `on_report` false cancels.
Streamed Stream(DaemonStubs& daemon, const v1::StreamTrainRequest& request,
                const std::function<bool(const v1::TrainReport&)>& on_report = nullptr) {
  grpc::ClientContext context;
  auto reader = daemon.training->StreamTrain(&context, request);
  Streamed streamed;
  v1::StreamTrainResponse response;
  while (reader->Read(&response)) {
    if (response.has_session()) streamed.session = response.session();
    if (!response.has_report()) continue;
    streamed.reports.push_back(response.report());
    if (on_report && !on_report(response.report())) context.TryCancel();
  }
  streamed.status = reader->Finish();
  return streamed;
}

struct Evaluated {
  grpc::Status status;
  v1::EvaluationHeader header;
  std::vector<v1::EvaluatedView> views;
  std::vector<v1::EvaluatedTile> tiles;
  v1::EvaluationSummary summary;
};
Evaluated Evaluate(DaemonStubs& daemon, const v1::EvaluateRequest& request) {
  grpc::ClientContext context;
  auto reader = daemon.training->Evaluate(&context, request);
  Evaluated evaluated;
  v1::EvaluateResponse response;
  while (reader->Read(&response)) {
    if (response.has_header()) evaluated.header = response.header();
    if (response.has_tile()) evaluated.tiles.push_back(response.tile());
    if (response.has_view()) evaluated.views.push_back(response.view());
    if (response.has_summary()) evaluated.summary = response.summary();
  }
  evaluated.status = reader->Finish();
  return evaluated;
}

std::string Payload(DaemonStubs& daemon, const std::string& name) {
  DownloadResult downloaded = Download(daemon, name);
  REQUIRE(downloaded.status.ok());
  return downloaded.bytes;
}

TEST_CASE("A session trains a field from photographs to a durable field") {
  TestDaemon daemon;
  const Calls calls{*daemon, ""};
  auto [created, session] = calls.Create(Small("blob", 150));
  INFO(created.error_message());
  REQUIRE(created.ok());
  CHECK(session.step() == 0);
  CHECK(session.device() == "cpu");
  CHECK(session.dataset_report().photos() == 24);
  CHECK(session.recipe().optimizer().kind() == "adam");   // filled in
  CHECK(session.recipe().field().box().min().x() == -1);  // of the photographs' bounds
  CHECK(session.bytes() > 16 * 16 * 16 * 4 * 4);

  v1::EvaluateRequest evaluate;
  evaluate.set_session(session.name());
  *evaluate.mutable_dataset() = session.dataset();
  evaluate.mutable_dataset()->set_split("test");
  const Evaluated before = Evaluate(*daemon, evaluate);
  REQUIRE(before.status.ok());
  CHECK(before.views.size() == 6);

  v1::StreamTrainRequest train;
  train.set_session(session.name());
  train.set_report_every_steps(40);
  const Streamed streamed = Stream(*daemon, train);
  INFO(streamed.status.error_message());
  REQUIRE(streamed.status.ok());
  REQUIRE(streamed.reports.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(streamed.reports[i].step() == std::min<std::int64_t>(40 * (static_cast<std::int64_t>(i) + 1), 150));
    CHECK(streamed.reports[i].steps() == (i < 3 ? 40 : 30));
    CHECK(streamed.reports[i].rays() == streamed.reports[i].steps() * 512);
  }
  CHECK(streamed.reports[3].loss() < streamed.reports[0].loss() / 4);
  REQUIRE(streamed.session);
  CHECK(streamed.session->finished());
  CHECK(streamed.session->busy().empty());
  CHECK(streamed.session->last_report().total_train_seconds() > 0);

  const Evaluated after = Evaluate(*daemon, evaluate);
  REQUIRE(after.status.ok());
  CHECK(after.header.step() == 150);
  CHECK(after.summary.psnr() > before.summary.psnr() + 5);
  double mean = 0;
  for (const v1::EvaluatedView& view : after.views) mean += view.psnr() / 6;
  CHECK(after.summary.psnr() == Approx(mean));

  const auto [published, field] = calls.Publish(session.name(), "once");
  REQUIRE(published.ok());
  CHECK(field.display_name() == "blob");
  CHECK(field.version() == 1);
  CHECK(field.channels() == 4);
  CHECK(field.dense_grid().activation() == v1::ACTIVATION_SOFTPLUS);
  CHECK(Render(*daemon, Picture("blob", 16, 0.05)).status.ok());
  CHECK(calls.Publish(session.name(), "once").second.version() == 1);  // a retry
  CHECK(calls.Publish(session.name(), "twice").second.version() == 2);
  CHECK(calls.Step(session.name(), 1).first.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(calls.Close(session.name()).ok());
  CHECK(calls.Get(session.name()).first.error_code() == StatusCode::NOT_FOUND);
}

TEST_CASE("Images of an evaluation are the photographs over the background, in rows") {
  TestDaemon daemon;
  const auto [created, session] = Calls{*daemon, ""}.Create(Small());
  REQUIRE(created.ok());
  v1::EvaluateRequest evaluate;
  evaluate.set_session(session.name());
  evaluate.mutable_background()->set_x(1);
  evaluate.mutable_background()->set_y(0.5);
  evaluate.add_images(v1::EVALUATED_IMAGE_TRUTH);
  evaluate.add_images(v1::EVALUATED_IMAGE_RENDER);
  evaluate.set_max_views(2);
  const Evaluated evaluated = Evaluate(*daemon, evaluate);
  REQUIRE(evaluated.status.ok());
  REQUIRE(evaluated.views.size() == 2);
  REQUIRE(evaluated.tiles.size() == 2);
  const v1::EvaluatedTile& tile = evaluated.tiles[0];
  CHECK(tile.roi().height() == 64);
  const std::vector<float> truth = FloatsOf(tile.truth().payload().inline_()),
                           render = FloatsOf(tile.render().payload().inline_());
  REQUIRE(truth.size() == 64 * 64 * 3);
  REQUIRE(render.size() == truth.size());
  // Pixel (40, 32) of every view, by the blob's closed form.
  const GaussianBlob blob;
  const double focal = 32 / std::tan(20 * M_PI / 180);
  const double u = (40.5 - 32) / focal, v = 0.5 / focal;
  const double rest = blob.Transmittance(4 * std::sqrt((u * u + v * v) / (1 + u * u + v * v)));
  const std::array<double, 3> background{1, 0.5, 0};
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(truth[3 * (32 * 64 + 40) + c] == Approx((1 - rest) * blob.color[c] + rest * background[c]).margin(3e-5));
  }
  // PSNR of the figures is that of the images.
  double squares = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) squares += std::pow(double{truth[i]} - double{render[i]}, 2);
  CHECK(evaluated.views[0].psnr() ==
        Approx(-10 * std::log10(squares / static_cast<double>(truth.size()))).epsilon(1e-6));
}

TEST_CASE("Steps that a retry asks for again are done once") {
  TestDaemon daemon;
  const Calls calls{*daemon, ""};
  const auto [created, session] = calls.Create(Small());
  REQUIRE(created.ok());
  const auto [first, done] = calls.Step(session.name(), 5, 0);
  REQUIRE(first.ok());
  CHECK(done.step() == 5);
  CHECK(done.report().steps() == 5);
  const auto [again, same] = calls.Step(session.name(), 5, 0);
  REQUIRE(again.ok());
  CHECK(same.step() == 5);
  CHECK_FALSE(same.has_report());
  CHECK(calls.Step(session.name(), 3, 0).first.error_code() == StatusCode::ABORTED);
  CHECK(calls.Step(session.name(), 5, 7).first.error_code() == StatusCode::ABORTED);
  CHECK(calls.Get(session.name()).second.step() == 5);
  // The recipe ends after 60: a request that goes beyond does what is left, and its retry nothing.
  CHECK(calls.Step(session.name(), 100, 5).second.step() == 60);
  CHECK(calls.Step(session.name(), 100, 5).first.ok());
  CHECK(calls.Step(session.name(), 1, 60).first.error_code() == StatusCode::FAILED_PRECONDITION);
}

TEST_CASE("A CreateSession that is repeated with its request id is one session") {
  TestDaemon daemon;
  const Calls calls{*daemon, ""};
  v1::CreateSessionRequest request = Small();
  request.set_request_id("abc");
  const auto first = calls.Create(request), second = calls.Create(request);
  REQUIRE(first.first.ok());
  CHECK(first.second.name() == second.second.name());
  request.set_request_id("def");
  CHECK(calls.Create(request).second.name() != first.second.name());
}

TEST_CASE("While one call trains a session another is told who; cancelling frees it") {
  TestDaemon daemon;
  const Calls calls{*daemon, ""};
  const auto [created, session] = calls.Create(Small("blob", 1'000'000));
  REQUIRE(created.ok());
  v1::StreamTrainRequest train;
  train.set_session(session.name());
  train.set_report_every_steps(5);
  grpc::Status refused;
  std::string busy;
  const Streamed streamed = Stream(*daemon, train, [&](const v1::TrainReport&) {
    if (!busy.empty()) return false;
    busy = calls.Get(session.name()).second.busy();
    refused = calls.Step(session.name(), 1).first;
    return false;
  });
  CHECK(streamed.status.error_code() == StatusCode::CANCELLED);
  CHECK(busy.find("StreamTrain (request ") == 0);
  CHECK(refused.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(refused.error_message().find("is being trained by StreamTrain") != std::string::npos);
  REQUIRE(daemon.BecomesIdle());
  const auto [status, response] = calls.Step(session.name(), 1);
  CHECK(status.ok());
  CHECK(response.step() >= 6);
}

TEST_CASE("Renders of a session in training are answered meanwhile, and change no bits of the training") {
  TestDaemon daemon;
  const Calls calls{*daemon, ""};
  std::vector<std::string> payloads;
  for (const bool rendered : {false, true}) {
    const auto [created, session] = calls.Create(Small(rendered ? "with" : "without", 200));
    REQUIRE(created.ok());
    v1::StreamTrainRequest train;
    train.set_session(session.name());
    train.set_report_every_steps(20);
    int renders = 0;
    const std::string& name = session.name();
    const Streamed streamed = Stream(*daemon, train, [&](const v1::TrainReport&) {
      if (rendered && Render(*daemon, Picture(name, 64, 0.05)).status.ok()) ++renders;
      return true;
    });
    REQUIRE(streamed.status.ok());
    CHECK(renders == (rendered ? 10 : 0));
    payloads.push_back(Payload(*daemon, calls.Publish(name).second.name()));
  }
  CHECK(payloads[0] == payloads[1]);
}

TEST_CASE("A render of a session is the render of the field that it publishes") {
  TestDaemon daemon;
  const Calls calls{*daemon, ""};
  const auto [created, session] = calls.Create(Small());
  REQUIRE(created.ok());
  REQUIRE(calls.Step(session.name(), 30).first.ok());
  const RenderResult live = Render(*daemon, Picture(session.name(), 32, 0.05));
  INFO(live.status.error_message());
  REQUIRE(live.status.ok());
  CHECK(live.summary.field_version() == 30);
  REQUIRE(calls.Publish(session.name()).first.ok());
  CHECK(Render(*daemon, Picture("blob", 32, 0.05)).image(v1::AOV_RGB) == live.image(v1::AOV_RGB));
  v1::RenderRequest stale = Picture(session.name(), 8, 0.05);
  stale.mutable_scene()->mutable_instances(0)->set_field_version(29);
  CHECK(Render(*daemon, stale).status.error_code() == StatusCode::ABORTED);
  CHECK(Render(*daemon, Picture("sessions/0", 8, 0.05)).status.error_code() == StatusCode::NOT_FOUND);
  // Tapes outlive steps: no forward of what changes.
  CHECK(Forward(*daemon, ForwardOf(Picture(session.name(), 8, 0.05))).status.error_code() == StatusCode::NOT_FOUND);
}

TEST_CASE("A checkpoint goes on in another daemon where its session was, bit for bit") {
  TempFolder data;
  const auto in_folder = [&](server::Config& config) { config.data_dir = data / "data"; };
  std::string straight;
  {
    TestDaemon daemon(in_folder);
    const Calls calls{*daemon, ""};
    const auto [created, session] = calls.Create(Small("straight"));
    REQUIRE(created.ok());
    REQUIRE(calls.Step(session.name(), 25).first.ok());
    const auto [saved, checkpoint] = calls.Save(session.name(), "half-way");
    INFO(saved.error_message());
    REQUIRE(saved.ok());
    CHECK(checkpoint.name() == "checkpoints/half-way");
    CHECK(checkpoint.step() == 25);
    CHECK(checkpoint.bytes() > 16 * 16 * 16 * 4 * 4 * 3);
    REQUIRE(calls.Step(session.name(), 35).first.ok());
    straight = Payload(*daemon, calls.Publish(session.name()).second.name());
  }
  TestDaemon daemon(in_folder);
  const Calls calls{*daemon, ""};
  v1::CreateSessionRequest request = Small("resumed");
  request.set_checkpoint("checkpoints/half-way");
  const auto [created, session] = calls.Create(request);
  INFO(created.error_message());
  REQUIRE(created.ok());
  CHECK(session.step() == 25);
  REQUIRE(calls.Step(session.name(), 35).first.ok());
  CHECK(Payload(*daemon, calls.Publish(session.name()).second.name()) == straight);
  // Another recipe is another training.
  request.mutable_recipe()->mutable_optimizer()->set_beta1(0.5);
  CHECK(calls.Create(request).first.error_code() == StatusCode::FAILED_PRECONDITION);
  request.set_checkpoint("nothing");
  CHECK(calls.Create(request).first.error_code() == StatusCode::NOT_FOUND);
}

TEST_CASE("A damaged checkpoint is refused as such") {
  TestDaemon daemon;
  const Calls calls{*daemon, ""};
  const auto [created, session] = calls.Create(Small());
  REQUIRE(created.ok());
  REQUIRE(calls.Save(session.name(), "a").first.ok());
  const std::string path = daemon.folder() / "data/checkpoints/t-default/a.dvckpt";
  REQUIRE(std::filesystem::exists(path));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 9);
  v1::CreateSessionRequest request = Small();
  request.set_checkpoint("a");
  CHECK(calls.Create(request).first.error_code() == StatusCode::DATA_LOSS);
  CHECK(calls.Save(session.name(), "../a").first.error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(calls.Save(session.name(), "a").first.ok());
  CHECK(calls.Create(request).first.ok());
}

TEST_CASE("A daemon that stops saves what is being trained and says where") {
  TempFolder data;
  const auto in_folder = [&](server::Config& config) {
    config.data_dir = data / "data";
    config.drain_grace_s = 10;
  };
  std::string message, idle;
  {
    TestDaemon daemon(in_folder);
    const Calls calls{*daemon, ""};
    const auto [created, session] = calls.Create(Small("blob", 1'000'000));
    REQUIRE(created.ok());
    const auto resting = calls.Create(Small("resting")).second;
    REQUIRE(calls.Step(resting.name(), 3).first.ok());
    idle = resting.name();
    std::optional<std::thread> drain;
    v1::StreamTrainRequest train;
    train.set_session(session.name());
    train.set_report_every_steps(1);
    const Streamed streamed = Stream(*daemon, train, [&](const v1::TrainReport&) {
      if (!drain) drain.emplace([&] { daemon.Drain(); });
      return true;
    });
    drain->join();
    CHECK(streamed.status.error_code() == StatusCode::UNAVAILABLE);
    message = streamed.status.error_message();
    CHECK(streamed.reports.back().step() < 1'000'000);
  }
  const std::size_t at = message.find("checkpoints/session-");
  INFO(message);
  REQUIRE(at != std::string::npos);
  TestDaemon daemon(in_folder);
  v1::CreateSessionRequest request = Small("blob", 1'000'000);
  request.set_checkpoint(message.substr(at, message.find_first_of(": ", at + 12) - at));
  const auto [restored, session] = Calls{*daemon, ""}.Create(request);
  INFO(restored.error_message());
  REQUIRE(restored.ok());
  CHECK(message.find("step " + std::to_string(session.step()) + " is saved") != std::string::npos);
  request = Small("resting");
  request.set_checkpoint("checkpoints/session-" + idle.substr(std::string("sessions/").size()));
  CHECK(Calls{*daemon, ""}.Create(request).second.step() == 3);
}

TEST_CASE("A session that nobody uses is saved and closed") {
  TestDaemon daemon([](server::Config& config) { config.training.session_idle_s = 1; });
  const Calls calls{*daemon, ""};
  const auto [created, session] = calls.Create(Small());
  REQUIRE(created.ok());
  REQUIRE(calls.Step(session.name(), 4).first.ok());
  v1::CreateSessionRequest request = Small();
  request.set_checkpoint("session-" + session.name().substr(std::string("sessions/").size()));
  bool saved = false;
  for (int i = 0; i < 300 && !saved; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    saved =
        std::filesystem::exists(daemon.folder() / ("data/checkpoints/t-default/" + request.checkpoint() + ".dvckpt"));
  }
  REQUIRE(saved);
  REQUIRE(daemon.BecomesIdle());
  CHECK(calls.Get(session.name()).first.error_code() == StatusCode::NOT_FOUND);
  CHECK(calls.Create(request).second.step() == 4);
}

TEST_CASE("Sessions that name what is not there, not allowed or not theirs are refused") {
  TestDaemon daemon([](server::Config& config) {
    config.training.max_sessions = 2;
    // SHA-256 of "alice" and "bob".
    config.auth.tokens = {{"alice", "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"},
                          {"bob", "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9"}};
  });
  const Calls alice{*daemon, "alice"}, bob{*daemon, "bob"};
  const auto refused = [&](const std::function<void(v1::CreateSessionRequest&)>& change) {
    v1::CreateSessionRequest request = Small();
    change(request);
    return alice.Create(request).first;
  };
  CHECK(refused([](auto& r) { r.mutable_dataset()->Clear(); }).error_message().find("dataset.path = \"\": ") == 0);
  CHECK(refused([](auto& r) { r.clear_dataset(); }).error_message().find("recipe.field.box = absent: ") == 0);
  CHECK(refused([](auto& r) {
          r.mutable_dataset()->clear_synthetic();
          r.mutable_dataset()->set_path("/etc");
        }).error_code() == StatusCode::PERMISSION_DENIED);
  CHECK(refused([](auto& r) { r.mutable_recipe()->mutable_optimizer()->set_kind("adamm"); }).error_code() ==
        StatusCode::INVALID_ARGUMENT);
  CHECK(refused([](auto& r) { r.mutable_recipe()->set_steps(0); }).error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(refused([](auto& r) { r.set_field(""); }).error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(refused([](auto& r) { r.set_field("fields/0123"); }).error_code() == StatusCode::NOT_FOUND);
  CHECK(refused([](auto& r) { r.set_device("cuda:7"); }).error_code() == StatusCode::NOT_FOUND);
  CHECK(refused([](auto& r) { r.mutable_dataset()->set_split("rest"); }).error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(refused([](auto& r) { r.mutable_recipe()->mutable_stages(0)->set_resolution(1000); }).error_code() ==
        StatusCode::RESOURCE_EXHAUSTED);

  const auto [created, session] = alice.Create(Small());
  REQUIRE(created.ok());
  CHECK(bob.Get(session.name()).first.error_code() == StatusCode::NOT_FOUND);
  CHECK(bob.Step(session.name(), 1).first.error_code() == StatusCode::NOT_FOUND);
  CHECK(bob.Save(session.name(), "a").first.error_code() == StatusCode::NOT_FOUND);
  CHECK(bob.Close(session.name()).error_code() == StatusCode::NOT_FOUND);
  CHECK(alice.Step(session.name(), -1).first.error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(alice.Step(session.name(), 10'001).first.error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(bob.Create(Small()).first.ok());
  const grpc::Status full = bob.Create(Small()).first;
  CHECK(full.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(full.error_message().find("training.max_sessions = 2") != std::string::npos);
}

TEST_CASE("Published fields take the shape of what was trained, under the name of an older one") {
  TestDaemon daemon;
  const Calls calls{*daemon, ""};
  REQUIRE(Create(*daemon, ConstantField("blob", 1)).first.ok());
  const auto [created, session] = calls.Create(Small());
  REQUIRE(created.ok());
  const auto [published, field] = calls.Publish(session.name());
  INFO(published.error_message());
  REQUIRE(published.ok());
  CHECK(field.version() == 2);
  CHECK(field.channels() == 4);
  CHECK(field.payload_bytes() == Payload(*daemon, "blob").size());
  CHECK(field.world_box().min().x() == -1);
}

}  // namespace
}  // namespace dvren::test
