// Steps that renders, forwards and backward passes share: memory for frames and rays, and a launch that counts.
#pragma once

#include <chrono>

#include "dvren/render/renderer.h"
#include "render/kernel_inputs.h"
#include "render/staged_path.h"

namespace dvren::internal {

[[nodiscard]] DType DTypeOf(Precision precision);

// An uninitialised frame with the spec's AOVs.
[[nodiscard]] absl::StatusOr<Frame> AllocateFrame(Stream& stream, const PlanSpec& spec, std::int64_t height,
                                                  std::int64_t width);

// Copies checked rays to the device; what is not given gets its default.
[[nodiscard]] absl::StatusOr<DeviceRays> UploadRays(Stream& stream, Precision precision, const RayBatch& rays);

// Runs `kernels` with fresh counters and adds what they counted and took to `stats`; `overflowed`, unless null, gets
// the gradient contributions that did not fit.
template <class Kernels>
absl::Status Measure(Stream& stream, RenderStats& stats, std::int64_t* overflowed, const Kernels& kernels) {
  DVREN_ASSIGN_OR_RETURN(const Counters counters, Counters::Make(stream));
  const auto start = std::chrono::steady_clock::now();
  DVREN_RETURN_IF_ERROR(kernels(counters.view()));
  DVREN_RETURN_IF_ERROR(counters.AddTo(stream, stats));
  stats.wall_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (overflowed != nullptr) {
    DVREN_ASSIGN_OR_RETURN(*overflowed, counters.Overflowed(stream));
  }
  return absl::OkStatus();
}
template <class Kernels>
absl::Status Measure(Stream& stream, RenderStats& stats, const Kernels& kernels) {
  return Measure(stream, stats, nullptr, kernels);
}

}  // namespace dvren::internal
