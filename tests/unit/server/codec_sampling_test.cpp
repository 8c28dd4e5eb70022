#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "server/codec/sampling_codec.h"

namespace dvren::server {
namespace {

TEST_CASE("Sampling that is left out takes the documented defaults") {
  const auto sampling = DecodeSampling(v1::Sampling());
  REQUIRE(sampling.ok());
  CHECK(sampling->mode == SamplingMode::kFixed);
  CHECK(sampling->dt == 0);  // the scene decides
  CHECK(sampling->max_steps == 1 << 20);
  CHECK(sampling->early_stop == 1e-4);
  CHECK(sampling->skip_empty);
}

TEST_CASE("Zero turns early stopping off, and false turns skipping off") {
  v1::Sampling message;
  message.set_early_stop(0);
  message.set_skip_empty(false);
  const auto sampling = DecodeSampling(message);
  REQUIRE(sampling.ok());
  CHECK(sampling->early_stop == 0);
  CHECK_FALSE(sampling->skip_empty);
  v1::Sampling encoded;
  EncodeSampling(*sampling, &encoded);
  CHECK(encoded.has_early_stop());
  CHECK(encoded.has_skip_empty());
}

TEST_CASE("Step lengths and counts outside their range are refused by name") {
  for (const double dt :
       {-0.1, -1e-300, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    v1::Sampling message;
    message.set_dt(dt);
    const auto sampling = DecodeSampling(message);
    CHECK(absl::IsInvalidArgument(sampling.status()));
    CHECK(std::string(sampling.status().message()).find("sampling.dt = ") == 0);
  }
  for (const std::int64_t steps : {std::int64_t{-1}, kMaxSteps + 1, std::numeric_limits<std::int64_t>::max()}) {
    v1::Sampling message;
    message.set_max_steps(steps);
    const auto sampling = DecodeSampling(message);
    CHECK(absl::IsInvalidArgument(sampling.status()));
    CHECK(std::string(sampling.status().message()).find("sampling.max_steps = " + std::to_string(steps)) == 0);
  }
  for (const double early_stop : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
    v1::Sampling message;
    message.set_early_stop(early_stop);
    CHECK(std::string(DecodeSampling(message).status().message()).find("sampling.early_stop = ") == 0);
  }
  v1::Sampling message;
  message.set_mode(static_cast<v1::SamplingMode>(77));
  CHECK(std::string(DecodeSampling(message).status().message()).find("sampling.mode = 77") == 0);
}

TEST_CASE("No images asked for means RGB, and asking twice is asking once") {
  google::protobuf::RepeatedField<int> aovs;
  CHECK(*DecodeAovs(aovs) == kAovRgb);
  aovs.Add(v1::AOV_DEPTH);
  aovs.Add(v1::AOV_DEPTH);
  CHECK(*DecodeAovs(aovs) == kAovDepth);
  aovs.Add(v1::AOV_UNSPECIFIED);
  CHECK(std::string(DecodeAovs(aovs).status().message()).find("aovs[2] = 0") == 0);
}

TEST_CASE("Precisions that are not there yet say so") {
  CHECK(*DecodePrecision(v1::PRECISION_UNSPECIFIED) == Precision::kF32);
  CHECK(*DecodePrecision(v1::PRECISION_F64) == Precision::kF64);
  CHECK(absl::IsUnimplemented(DecodePrecision(v1::PRECISION_F16).status()));
  CHECK(absl::IsUnimplemented(DecodePrecision(v1::PRECISION_BF16).status()));
  CHECK(absl::IsInvalidArgument(DecodePrecision(static_cast<v1::Precision>(9)).status()));
}

}  // namespace
}  // namespace dvren::server
