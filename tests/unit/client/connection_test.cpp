#include <grpcpp/health_check_service_interface.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "dvren/client/client.h"
#include "fake_daemon.h"

namespace dvren::client {
namespace {

using dvren::testing::FakeDaemon;

TEST_CASE("A status keeps its code, its message and the request's id") {
  FakeDaemon daemon;
  daemon.info_status = {grpc::StatusCode::FAILED_PRECONDITION, "state = draining:\ntry another daemon"};
  daemon.request_id = "req-42";
  const auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  const auto info = client->ServerInfo();
  REQUIRE_FALSE(info.ok());
  CHECK(info.status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(info.status().message() == "state = draining: try another daemon [request req-42]");
  CHECK(RequestIdOf(info.status()) == "req-42");
}

TEST_CASE("Every gRPC code has the absl code of the same number") {
  FakeDaemon daemon;
  const auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  for (int code = 1; code <= 16; ++code) {
    daemon.info_status = {static_cast<grpc::StatusCode>(code), "x"};
    CHECK(static_cast<int>(client->ServerInfo().status().code()) == code);
  }
}

TEST_CASE("A message that names its request already does not name it twice") {
  FakeDaemon daemon;
  daemon.info_status = {grpc::StatusCode::NOT_FOUND, "field = a: unknown [request req-7]"};
  daemon.request_id = "req-7";
  const auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  CHECK(client->ServerInfo().status().message() == "field = a: unknown [request req-7]");
}

TEST_CASE("The token goes out as a bearer token") {
  FakeDaemon daemon;
  ConnectOptions options;
  options.token = "s3cret";
  const auto client = Client::Connect(daemon.endpoint(), options);
  REQUIRE(client.ok());
  const auto info = client->ServerInfo();
  REQUIRE(info.ok());
  CHECK(info->version() == "1.2.3");
  CHECK(daemon.authorization == "Bearer s3cret");
}

TEST_CASE("Connecting to nobody fails at once, not after the timeout") {
  std::string endpoint;
  {
    FakeDaemon daemon;
    endpoint = daemon.endpoint();
  }
  ConnectOptions options;
  options.connect_timeout = std::chrono::seconds(30);
  const auto start = std::chrono::steady_clock::now();
  const auto client = Client::Connect(endpoint, options);
  CHECK(client.status().code() == absl::StatusCode::kUnavailable);
  CHECK_THAT(std::string(client.status().message()), Catch::Contains("endpoint = " + endpoint));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE("A method that the daemon does not have is UNIMPLEMENTED") {
  FakeDaemon daemon;
  const auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  CHECK(client->Devices().status().code() == absl::StatusCode::kUnimplemented);
}

TEST_CASE("Health says what grpc.health.v1 says") {
  FakeDaemon daemon;
  const auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  REQUIRE(client->Health().ok());
  CHECK(*client->Health() == Serving::kServing);
  daemon.server().GetHealthCheckService()->SetServingStatus("dvren.v1.RenderService", false);
  CHECK(*client->Health("dvren.v1.RenderService") == Serving::kNotServing);
  CHECK(client->Health("nothing").status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("A list is all of its pages") {
  FakeDaemon daemon;
  const auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  const auto fields = client->ListFields();
  REQUIRE(fields.ok());
  REQUIRE(fields->size() == 5);
  CHECK(fields->back().display_name() == "4");
}

TEST_CASE("TLS files that cannot be read are named") {
  ConnectOptions options;
  options.tls_files.ca = "/nonexistent/ca.pem";
  const auto client = Client::Connect("127.0.0.1:1", options);
  CHECK(client.status().code() == absl::StatusCode::kInvalidArgument);
  CHECK_THAT(std::string(client.status().message()), Catch::Contains("tls ca = /nonexistent/ca.pem"));
}

}  // namespace
}  // namespace dvren::client
