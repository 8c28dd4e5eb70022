#include "dvren/client/gradients.h"

#include <catch2/catch.hpp>

#include "dvren/client/client.h"
#include "fake_daemon.h"

namespace dvren::client {
namespace {

using dvren::testing::FakeDaemon;
using dvren::testing::FakePixel;

Client Connected(const FakeDaemon& daemon) {
  auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  return *client;
}

v1::ForwardRequest RoiForward(v1::Precision precision = v1::PRECISION_F32) {
  v1::ForwardRequest request;
  v1::Roi& roi = *request.mutable_image()->mutable_roi();
  roi.set_x(10);
  roi.set_y(20);
  roi.set_width(8);
  roi.set_height(5);
  request.mutable_image()->add_aovs(v1::AOV_RGB);
  request.mutable_image()->add_aovs(v1::AOV_DEPTH);
  request.mutable_image()->set_precision(precision);
  return request;
}

std::vector<float> Count(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(i);
  return values;
}

TEST_CASE("A forward gives images and the tape that backward needs") {
  FakeDaemon daemon;
  const auto frame = Connected(daemon).Forward(RoiForward());
  REQUIRE(frame.ok());
  CHECK(frame->tape.info.name() == "tapes/1");
  CHECK(frame->tape.roi.x() == 10);
  CHECK(frame->tape.roi.height() == 5);
  CHECK(frame->images.at(v1::AOV_RGB).at(3, 2, 1) == FakePixel(v1::AOV_RGB, 13, 22, 1));
  CHECK(frame->images.at(v1::AOV_DEPTH).at(7, 4) == FakePixel(v1::AOV_DEPTH, 17, 24, 0));
  CHECK(frame->stats.rays() == 40);
}

TEST_CASE("A forward that ends early is data loss") {
  FakeDaemon daemon;
  daemon.drop_tiles = 1;
  CHECK(Connected(daemon).Forward(RoiForward()).status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("dL/d(image) arrives whole, in the tape's precision, and gradients come back") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  const v1::Precision precision = GENERATE(v1::PRECISION_F32, v1::PRECISION_F64);
  const auto frame = client.Forward(RoiForward(precision));
  REQUIRE(frame.ok());
  const std::vector<float> rgb = Count(120);
  const std::vector<double> depth(40, 0.5);
  v1::GradientRequest want;
  want.set_values(true);
  want.set_camera(true);
  want.set_dtype(v1::DTYPE_F64);
  const std::vector<AdjointBuffer> adjoints{{v1::AOV_RGB, std::span<const float>(rgb)},
                                            {v1::AOV_DEPTH, std::span<const double>(depth)}};
  const auto result = client.Backward(frame->tape, want, adjoints, /*keep_tape=*/true);
  INFO(result.status().message());
  REQUIRE(result.ok());
  CHECK(daemon.backward_header.tape() == "tapes/1");
  CHECK(daemon.backward_header.keep_tape());
  REQUIRE(daemon.adjoints.at(v1::AOV_RGB).size() == 120);
  for (std::size_t i = 0; i < 120; ++i) REQUIRE(daemon.adjoints.at(v1::AOV_RGB)[i] == static_cast<double>(i));
  CHECK(daemon.adjoints.at(v1::AOV_DEPTH) == depth);
  CHECK(result->gradients.camera().fx() == 7);
  REQUIRE(result->values.has_value());
  CHECK(result->values->shape == std::vector<std::int64_t>{1, 8, 8, 8});
  CHECK(result->values->origins == std::vector<std::int32_t>{-8, 0, 16});
  CHECK(std::get<std::vector<double>>(result->values->values).at(511) == 511);
  CHECK(result->values->exponent == -31);
  CHECK(result->values->field_version == 3);
}

TEST_CASE("A large dL/d(image) is sent in tiles that fit a message") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  RecordedTape tape;
  tape.info.set_name("tapes/1");
  tape.info.set_precision(v1::PRECISION_F64);
  tape.roi.set_width(GENERATE(40000, 300));
  tape.roi.set_height(tape.roi.width() == 300 ? 200 : 1);
  const auto pixels = static_cast<std::size_t>(tape.roi.width() * tape.roi.height());
  const std::vector<float> opacity = Count(pixels);
  v1::GradientRequest want;
  want.set_step(true);
  const std::vector<AdjointBuffer> adjoints{{v1::AOV_OPACITY, std::span<const float>(opacity)}};
  const auto result = client.Backward(tape, want, adjoints);
  INFO(result.status().message());
  REQUIRE(result.ok());
  CHECK_FALSE(result->values.has_value());
  CHECK(daemon.adjoint_messages > 1);
  const std::vector<double>& got = daemon.adjoints.at(v1::AOV_OPACITY);
  REQUIRE(got.size() == pixels);
  bool right = true;
  for (std::size_t i = 0; i < pixels; ++i) right = right && got[i] == static_cast<double>(i);
  CHECK(right);
}

TEST_CASE("Adjoints that do not fit the tape are refused before anything is sent") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  const auto frame = client.Forward(RoiForward());
  REQUIRE(frame.ok());
  const std::vector<float> right(40), small(39);
  const auto code = [&](std::vector<AdjointBuffer> adjoints) {
    return client.Backward(frame->tape, {}, adjoints).status().code();
  };
  CHECK(code({}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({{v1::AOV_DEPTH, std::span<const float>(small)}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({{v1::AOV_RGB, std::span<const float>(right)}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({{v1::AOV_DEPTH, std::span<const float>(right)}, {v1::AOV_DEPTH, std::span<const float>(right)}}) ==
        absl::StatusCode::kInvalidArgument);
  CHECK(daemon.adjoint_messages == 0);
}

TEST_CASE("A daemon's refusal in the middle of dL/d(image) is what the caller gets") {
  FakeDaemon daemon;
  daemon.backward_status = {grpc::StatusCode::ABORTED, "tape = tapes/1: is stale"};
  const Client client = Connected(daemon);
  const auto frame = client.Forward(RoiForward());
  const std::vector<float> depth(40);
  v1::GradientRequest want;
  want.set_values(true);
  const std::vector<AdjointBuffer> adjoints{{v1::AOV_DEPTH, std::span<const float>(depth)}};
  const auto result = client.Backward(frame->tape, want, adjoints);
  CHECK(absl::IsAborted(result.status()));
  CHECK(std::string(result.status().message()).find("is stale") != std::string::npos);
}

TEST_CASE("A gradient is downloaded, and one that was damaged or cut on its way is not taken") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  daemon.field.set_version(3);
  const auto gradient = client.DownloadGradient("smoke");
  INFO(gradient.status().message());
  REQUIRE(gradient.ok());
  CHECK(gradient->shape == std::vector<std::int64_t>{1, 8, 8, 8});
  CHECK(std::get<std::vector<float>>(gradient->values).at(77) == 77);
  daemon.damage_download = true;
  CHECK(absl::IsDataLoss(client.DownloadGradient("smoke").status()));
  daemon.damage_download = false;
  daemon.cut_download_after_chunks = 1;
  CHECK(absl::IsDataLoss(client.DownloadGradient("smoke").status()));
}

TEST_CASE("Values of an update go inline while they are small, and by an upload when not") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  const std::size_t count = GENERATE(std::size_t{10}, std::size_t{1} << 20);
  const std::vector<float> values = Count(count);
  const auto field = client.UpdateField("smoke", std::as_bytes(std::span(values)), 4);
  INFO(field.status().message());
  REQUIRE(field.ok());
  CHECK(daemon.update.expected_version() == 4);
  CHECK(daemon.update.request_id().size() == 32);
  const std::string sent = count == 10 ? daemon.update.payload().inline_() : daemon.uploaded;
  CHECK(sent == std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  if (count != 10) {
    CHECK(daemon.update.payload().upload() == "uploads/7");
    CHECK(daemon.headers.back().keep_only());
  }
}

TEST_CASE("Tapes are released and gradients zeroed by name") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  CHECK(client.ReleaseTape("tapes/1").ok());
  CHECK(absl::IsNotFound(client.ReleaseTape("tapes/2")));
  CHECK(client.ZeroGradients("smoke", -20).ok());
  CHECK(daemon.zeroed.exponent() == -20);
  CHECK(client.ZeroGradients("smoke").ok());
  CHECK_FALSE(daemon.zeroed.has_exponent());
}

}  // namespace
}  // namespace dvren::client
