// What every render checks before it launches anything. INVALID_ARGUMENT names field, value and remedy.
#pragma once

#include "dvren/plan/plan.h"
#include "dvren/render/renderer.h"

namespace dvren::internal {

// A frame of another plan would be written out of its bounds.
[[nodiscard]] absl::Status CheckFrame(const Plan& plan, const Frame& frame);
// Stream, plan and field are on one device. Precondition: ValidateScene has passed.
[[nodiscard]] absl::Status CheckDevices(const Stream& stream, const Plan& plan, const Scene& scene);
[[nodiscard]] absl::Status CheckHasCamera(const Plan& plan);
[[nodiscard]] absl::Status CheckTile(const Plan& plan, std::size_t tile_index);
[[nodiscard]] absl::Status ValidateRayBatch(const Plan& plan, const RayBatch& rays);

}  // namespace dvren::internal
