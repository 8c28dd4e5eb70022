#include "server/middleware/grpc_status.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include <catch2/catch.hpp>

#include "server/jobs/retry_after.h"

namespace dvren::server {
namespace {

// The details of a google.rpc.Status by type name, read without its .proto.
std::map<std::string, std::string> DetailsOf(const grpc::Status& status) {
  google::protobuf::UnknownFieldSet fields;
  REQUIRE(fields.ParseFromString(status.error_details()));
  std::map<std::string, std::string> details;
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i).number() != 3) continue;
    google::protobuf::Any any;
    REQUIRE(any.ParseFromString(fields.field(i).length_delimited()));
    details[any.type_url()] = any.value();
  }
  return details;
}

TEST_CASE("Codes map one to one") {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status = ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "m"), "r1");
    CHECK(static_cast<int>(status.error_code()) == code);
  }
  CHECK(ToGrpcStatus(absl::OkStatus(), "r1").ok());
}

TEST_CASE("Every error carries the request id in message and details") {
  const grpc::Status status = ToGrpcStatus(absl::NotFoundError("field = fog: unknown"), "r-42");
  CHECK(status.error_message() == "field = fog: unknown [request r-42]");
  CHECK(DetailsOf(status).at("type.googleapis.com/google.rpc.RequestInfo").find("r-42") != std::string::npos);
}

TEST_CASE("An invalid argument names its field in BadRequest") {
  const auto details = DetailsOf(ToGrpcStatus(absl::InvalidArgumentError("sampling.dt = -0.1: must be > 0"), "r"));
  const std::string& bad_request = details.at("type.googleapis.com/google.rpc.BadRequest");
  google::protobuf::UnknownFieldSet fields, violation;
  REQUIRE(fields.ParseFromString(bad_request));
  REQUIRE(fields.field_count() == 1);
  REQUIRE(violation.ParseFromString(fields.field(0).length_delimited()));
  CHECK(violation.field(0).length_delimited() == "sampling.dt");
  CHECK(violation.field(1).length_delimited() == "-0.1: must be > 0");
}

TEST_CASE("RetryInfo is there where a retry can help and nowhere else") {
  constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";
  const auto full = DetailsOf(ToGrpcStatus(WithRetryAfter(absl::ResourceExhaustedError("queue full"), 1500), "r"));
  REQUIRE(full.count(kRetryInfo) == 1);
  google::protobuf::UnknownFieldSet fields;
  REQUIRE(fields.ParseFromString(full.at(kRetryInfo)));
  google::protobuf::Duration delay;
  REQUIRE(delay.ParseFromString(fields.field(0).length_delimited()));
  CHECK(delay.seconds() == 1);
  CHECK(delay.nanos() == 500'000'000);
  CHECK(DetailsOf(ToGrpcStatus(absl::ResourceExhaustedError("too large"), "r")).count(kRetryInfo) == 0);
}

TEST_CASE("A message that is not UTF-8 is made so") {
  CHECK(ToGrpcStatus(absl::InternalError("a\xFF"), "r").error_message() == "a\uFFFD [request r]");
}

}  // namespace
}  // namespace dvren::server
