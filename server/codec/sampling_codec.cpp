#include "server/codec/sampling_codec.h"

namespace dvren::server {

absl::StatusOr<SamplingSpec> DecodeSampling(const v1::Sampling& message) {
  SamplingSpec sampling;
  switch (message.mode()) {
    case v1::SAMPLING_MODE_UNSPECIFIED:
    case v1::SAMPLING_MODE_FIXED:
      sampling.mode = SamplingMode::kFixed;
      break;
    case v1::SAMPLING_MODE_STRATIFIED:
      sampling.mode = SamplingMode::kStratified;
      break;
    case v1::SAMPLING_MODE_UNIFORM_JITTER:
      sampling.mode = SamplingMode::kUniformJitter;
      break;
    default:
      return InvalidField("sampling.mode", static_cast<int>(message.mode()),
                          "must be FIXED, STRATIFIED or UNIFORM_JITTER");
  }
  sampling.dt = message.dt();
  // The kernels count steps in f32; beyond these they could not.
  constexpr double kMinStep = 1e-30, kMaxStep = 1e30;
  if (sampling.dt != 0 && !(sampling.dt >= kMinStep && sampling.dt <= kMaxStep)) {
    return InvalidField("sampling.dt", sampling.dt,
                        sampling.dt < 0 ? "must be > 0 world units, or 0 for half the smallest voxel"
                                        : "must be 1e-30 to 1e30 world units, or 0 for half the smallest voxel");
  }
  if (message.max_steps() != 0) sampling.max_steps = message.max_steps();
  if (sampling.max_steps < 1 || sampling.max_steps > kMaxSteps) {
    return InvalidField("sampling.max_steps", sampling.max_steps,
                        absl::StrCat("must be 1 to ", kMaxSteps, ", or 0 for ", 1 << 20));
  }
  sampling.seed = message.seed();
  if (message.has_early_stop()) sampling.early_stop = message.early_stop();
  if (!(sampling.early_stop >= 0 && sampling.early_stop < 1)) {
    return InvalidField("sampling.early_stop", sampling.early_stop, "must be 0 (off) or above, and below 1");
  }
  if (message.has_skip_empty()) sampling.skip_empty = message.skip_empty();
  return sampling;
}

void EncodeSampling(const SamplingSpec& sampling, v1::Sampling* message) {
  message->set_mode(sampling.mode == SamplingMode::kStratified      ? v1::SAMPLING_MODE_STRATIFIED
                    : sampling.mode == SamplingMode::kUniformJitter ? v1::SAMPLING_MODE_UNIFORM_JITTER
                                                                    : v1::SAMPLING_MODE_FIXED);
  message->set_dt(sampling.dt);
  message->set_max_steps(sampling.max_steps);
  message->set_seed(sampling.seed);
  message->set_early_stop(sampling.early_stop);
  message->set_skip_empty(sampling.skip_empty);
}

absl::StatusOr<std::uint32_t> DecodeAovs(const google::protobuf::RepeatedField<int>& aovs) {
  if (aovs.empty()) return static_cast<std::uint32_t>(kAovRgb);
  std::uint32_t bits = 0;
  for (int i = 0; i < aovs.size(); ++i) {
    switch (aovs.Get(i)) {
      case v1::AOV_RGB:
        bits |= kAovRgb;
        break;
      case v1::AOV_OPACITY:
        bits |= kAovOpacity;
        break;
      case v1::AOV_TRANSMITTANCE:
        bits |= kAovTransmittance;
        break;
      case v1::AOV_DEPTH:
        bits |= kAovDepth;
        break;
      case v1::AOV_HIT:
        bits |= kAovHit;
        break;
      default:
        return InvalidField(absl::StrCat("aovs[", i, "]"), aovs.Get(i),
                            "must be RGB, OPACITY, TRANSMITTANCE, DEPTH or HIT");
    }
  }
  return bits;
}

absl::StatusOr<Precision> DecodePrecision(v1::Precision precision) {
  switch (precision) {
    case v1::PRECISION_UNSPECIFIED:
    case v1::PRECISION_F32:
      return Precision::kF32;
    case v1::PRECISION_F64:
      return Precision::kF64;
    case v1::PRECISION_F16:
      return absl::UnimplementedError("precision = F16: not implemented yet; use F32 or F64");
    case v1::PRECISION_BF16:
      return absl::UnimplementedError("precision = BF16: not implemented yet; use F32 or F64");
    default:
      return InvalidField("precision", static_cast<int>(precision), "must be F32 or F64");
  }
}

}  // namespace dvren::server
