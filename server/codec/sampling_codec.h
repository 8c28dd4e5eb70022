// Sampling, images asked for and precision on the wire.
#pragma once

#include <vector>

#include "dvren/plan/plan.h"
#include "dvren/v1/render_service.pb.h"

namespace dvren::server {

// dt stays 0 where the request leaves it to the scene; see ResolveStep.
[[nodiscard]] absl::StatusOr<SamplingSpec> DecodeSampling(const v1::Sampling& message);
void EncodeSampling(const SamplingSpec& sampling, v1::Sampling* message);

// The AOV bits; none asked for means RGB.
[[nodiscard]] absl::StatusOr<std::uint32_t> DecodeAovs(const google::protobuf::RepeatedField<int>& aovs);
// UNIMPLEMENTED for f16 and bf16.
[[nodiscard]] absl::StatusOr<Precision> DecodePrecision(v1::Precision precision);

}  // namespace dvren::server
