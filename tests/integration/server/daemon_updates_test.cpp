// UpdateField: new values for a field, seen at once, kept for good, by one writer at a time; and activations.
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <thread>

#include "support/gradient_calls.h"

namespace dvren::test {
namespace {

using grpc::StatusCode;

float Opacity(DaemonStubs& daemon, const std::string& field) {
  v1::RenderRequest request = Picture(field, 16, 0.05);
  request.add_aovs(v1::AOV_OPACITY);
  const RenderResult render = Render(daemon, request);
  REQUIRE(render.status.error_message() == "");
  return FloatsOf(render.image(v1::AOV_OPACITY)).front();
}

std::string Bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

TEST_CASE("An update is rendered at once, and the old values are gone") {
  TestDaemon daemon;
  const auto [created, field] = Create(*daemon, RawField("fog", {1, 1, 2, 1}, {1, 1}));
  REQUIRE(created.ok());
  CHECK(Opacity(*daemon, "fog") == Approx(1 - std::exp(-1.0)).epsilon(1e-5));
  const auto [status, updated] = Update(*daemon, "fog", {3, 3}, 1);
  REQUIRE(status.error_message() == "");
  CHECK(updated.version() == 2);
  CHECK(updated.name() == field.name());
  CHECK(updated.sha256() != field.sha256());
  CHECK(updated.create_time().seconds() == field.create_time().seconds());
  CHECK(Opacity(*daemon, "fog") == Approx(1 - std::exp(-3.0)).epsilon(1e-5));
  const DownloadResult download = Download(*daemon, "fog");
  REQUIRE(download.status.error_message() == "");
  CHECK(download.bytes == Bytes({3, 3}));
  CHECK(download.field.SerializeAsString() == updated.SerializeAsString());
}

TEST_CASE("Of two writers the second is told") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  REQUIRE(Update(*daemon, "fog", {2}, 1).first.ok());
  const auto [status, field] = Update(*daemon, "fog", {3}, 1);
  CHECK(status.error_code() == StatusCode::ABORTED);
  CHECK(status.error_message().find("expected_version = 1: the current version of fields/") == 0);
  CHECK(status.error_message().find(" is 2; read the field again") != std::string::npos);
  CHECK(Download(*daemon, "fog").bytes == Bytes({2}));
  CHECK(Update(*daemon, "fog", {4}, 2).second.version() == 3);
}

TEST_CASE("A repeated request is answered with the same field, and carried out once") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  const auto [first, field] = Update(*daemon, "fog", {2}, 1, "u1");
  REQUIRE(first.error_message() == "");
  const auto [again, same] = Update(*daemon, "fog", {2}, 1, "u1");
  REQUIRE(again.error_message() == "");
  CHECK(same.SerializeAsString() == field.SerializeAsString());
  REQUIRE(Update(*daemon, "fog", {5}, 2, "u2").first.ok());
  CHECK(Update(*daemon, "fog", {2}, 0, "u1").second.version() == 3);  // late: the newer values stay
  CHECK(Download(*daemon, "fog").bytes == Bytes({5}));
}

TEST_CASE("Values that make no sense are refused, and the field is as it was") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("fog", {1, 1, 2, 1}, {1, 1})).first.ok());
  const auto refused = [&](const std::vector<float>& values, const std::string& message) {
    const grpc::Status status = Update(*daemon, "fog", values).first;
    INFO(message << " | " << status.error_message());
    CHECK(status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK(status.error_message().find(message) != std::string::npos);
  };
  refused({1}, "payload.inline = 4 bytes: must hold 8");
  refused({1, 2, 3}, "payload.inline = 12 bytes: must hold 8");
  refused({1, -1}, "density is negative, NaN or infinite in 1 of 2 voxels, first at (x, y, z) = (1, 0, 0)");
  refused({std::numeric_limits<float>::quiet_NaN(), 1}, "first at (x, y, z) = (0, 0, 0)");
  v1::UpdateFieldRequest request;
  request.set_name("fog");
  v1::Field field;
  {
    grpc::ClientContext context;
    const grpc::Status status = daemon->fields->UpdateField(&context, request, &field);
    CHECK(status.error_message().find("payload = absent") == 0);
  }
  {
    grpc::ClientContext context;
    request.mutable_payload()->set_upload("uploads/none");
    CHECK(daemon->fields->UpdateField(&context, request, &field).error_code() == StatusCode::NOT_FOUND);
  }
  CHECK(Update(*daemon, "mist", {1}).first.error_code() == StatusCode::NOT_FOUND);
  CHECK(Download(*daemon, "fog").field.version() == 1);
  CHECK(Download(*daemon, "fog").bytes == Bytes({1, 1}));
}

TEST_CASE("An update takes its values from a finished upload, and uses it up") {
  TestDaemon daemon;
  std::vector<float> values(1 << 20, 1);
  v1::UploadHeader header;
  header.set_display_name("large");
  header.set_total_bytes(values.size() * sizeof(float));
  header.mutable_options()->set_format(v1::FILE_FORMAT_RAW);
  for (const int extent : {64, 128, 128, 1}) header.mutable_options()->mutable_dense_grid()->add_shape(extent);
  header.mutable_options()->mutable_dense_grid()->set_dtype(v1::DTYPE_F32);
  REQUIRE(Upload(*daemon, header, Bytes(values)).status.error_message() == "");
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 5);
  v1::UploadHeader bytes_only;
  bytes_only.set_total_bytes(values.size() * sizeof(float));
  bytes_only.set_keep_only(true);
  const UploadResult upload = Upload(*daemon, bytes_only, Bytes(values));
  REQUIRE(upload.status.error_message() == "");
  v1::UpdateFieldRequest request;
  request.set_name("large");
  request.mutable_payload()->set_upload(upload.response.upload().name());
  v1::Field field;
  {
    grpc::ClientContext context;
    REQUIRE(daemon->fields->UpdateField(&context, request, &field).error_message() == "");
  }
  CHECK(field.version() == 2);
  CHECK(Download(*daemon, "large").bytes == Bytes(values));
  grpc::ClientContext context;
  CHECK(daemon->fields->UpdateField(&context, request, &field).error_code() == StatusCode::NOT_FOUND);
}

TEST_CASE("Renders and downloads go on while the field is updated, and see one version or another, never a mixture") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("fog", {1, 1, 64, 1}, std::vector<float>(64, 1))).first.ok());
  std::atomic<bool> stop{false};
  std::string failed;
  std::thread writer([&] {
    for (int i = 1; i <= 60; ++i) {
      const grpc::Status status = Update(*daemon, "fog", std::vector<float>(64, static_cast<float>(i % 5 + 1))).first;
      if (!status.ok()) failed = status.error_message();
    }
    stop.store(true);
  });
  int downloads = 0;
  do {
    const RenderResult render = Render(*daemon, Picture("fog", 16, 0.1));
    CHECK(render.status.error_message() == "");
    const DownloadResult download = Download(*daemon, "fog");
    CHECK(download.status.error_message() == "");
    const std::vector<float> values = FloatsOf(download.bytes);
    CHECK(values == std::vector<float>(64, values.at(0)));
    ++downloads;
  } while (!stop.load());
  writer.join();
  CHECK(failed == "");
  CHECK(downloads > 0);
  CHECK(Download(*daemon, "fog").field.version() == 61);
}

TEST_CASE("An update forgets the field's gradient") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  REQUIRE(ZeroGradients(*daemon, "fog").ok());
  CHECK(DownloadGradient(*daemon, "fog").status.ok());
  REQUIRE(Update(*daemon, "fog", {2}).first.ok());
  CHECK(DownloadGradient(*daemon, "fog").status.error_code() == StatusCode::FAILED_PRECONDITION);
}

v1::CreateFieldRequest Activated(const std::string& name, v1::Activation activation, float value) {
  v1::CreateFieldRequest request = ConstantField(name, value);
  request.mutable_options()->mutable_dense_grid()->set_activation(activation);
  return request;
}

TEST_CASE("Density is what the activation makes of raw values, which may be negative") {
  TestDaemon daemon;
  const float v = -0.5f;
  CHECK(Create(*daemon, Activated("plain", v1::ACTIVATION_IDENTITY, v)).first.error_code() ==
        StatusCode::INVALID_ARGUMENT);
  CHECK(Create(*daemon, Activated("odd", static_cast<v1::Activation>(9), 1))
            .first.error_message()
            .find("options.dense_grid.activation = 9: must be IDENTITY, SOFTPLUS, EXP or TRUNC_EXP") == 0);
  struct Case {
    v1::Activation activation;
    double sigma;
  };
  for (const Case& c : {Case{v1::ACTIVATION_SOFTPLUS, std::log1p(std::exp(v))},
                        {v1::ACTIVATION_EXP, std::exp(v)},
                        {v1::ACTIVATION_TRUNC_EXP, std::exp(v)}}) {
    const std::string name = v1::Activation_Name(c.activation);
    const auto [status, field] = Create(*daemon, Activated(name, c.activation, v));
    REQUIRE(status.error_message() == "");
    CHECK(field.dense_grid().activation() == c.activation);
    CHECK(Opacity(*daemon, name) == Approx(1 - std::exp(-c.sigma)).epsilon(1e-5));
    CHECK(Update(*daemon, name, {-2}).first.error_message() == "");
    CHECK(Update(*daemon, name, {std::numeric_limits<float>::infinity()}).first.error_code() ==
          StatusCode::INVALID_ARGUMENT);
  }
}

}  // namespace
}  // namespace dvren::test
