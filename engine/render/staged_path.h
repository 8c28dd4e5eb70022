// The staged path: rays, samples, integrals, images, each stored. The readable reference of the fused kernel, and the
// way of batched fields. Sample memory is bounded by rendering rays in chunks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dvren/core/tensor.h"
#include "dvren/plan/plan.h"

namespace dvren::internal {

// Sample memory of one chunk of rays; a single ray may need more.
inline constexpr std::size_t kStagedSampleBytes = std::size_t{64} << 20;

// N rays on a device.
struct DeviceRays {
  Tensor origins, directions, t_near, t_far;
  Tensor ids;  // always there: a chunk's own index is not the batch's
  [[nodiscard]] static absl::StatusOr<DeviceRays> Allocate(Stream& stream, Precision precision, std::int64_t count);
  [[nodiscard]] std::int64_t count() const { return origins.shape()[0]; }
  // Rays [begin, begin + extent).
  [[nodiscard]] hp_rays_t view(std::int64_t begin, std::int64_t extent) const;
};

// Renders the pixels of `roi` through the plan's camera into `images` of that size.
[[nodiscard]] absl::Status RenderStaged(Stream& stream, const Plan& plan, const hp_instance& instance, const Roi& roi,
                                        const hp_img_t& images, hp_tensor counters);
// Renders given rays into `images` of one row.
[[nodiscard]] absl::Status RenderStaged(Stream& stream, const Plan& plan, const hp_instance& instance,
                                        const DeviceRays& rays, const hp_img_t& images, hp_tensor counters);

}  // namespace dvren::internal
