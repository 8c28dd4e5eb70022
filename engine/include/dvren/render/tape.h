// Tape: what backward needs of a forward. Memory per ray (five numbers, six with distortion), not per
// sample.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dvren/core/tensor.h"
#include "dvren/plan/plan.h"
#include "dvren/scene/scene.h"

namespace dvren {

namespace internal {
struct DeviceRays;
}

// A value, move-only. Holds the plan and the scene, so that the fields live as long as it does.
class Tape {
 public:
  ~Tape();
  Tape(Tape&&) noexcept;
  Tape& operator=(Tape&&) noexcept;

  [[nodiscard]] const std::shared_ptr<const Plan>& plan() const { return plan_; }
  [[nodiscard]] const Scene& scene() const { return scene_; }
  // Version of the field that the forward saw. Backward refuses a field that has changed since.
  [[nodiscard]] std::uint64_t field_version() const { return field_version_; }
  [[nodiscard]] bool stale() const;
  // Of the images: the plan's ROI, or 1 x N for given rays.
  [[nodiscard]] std::int64_t height() const { return height_; }
  [[nodiscard]] std::int64_t width() const { return width_; }
  [[nodiscard]] bool has_rays() const { return rays_ != nullptr; }  // of given rays, not of a camera
  [[nodiscard]] std::uint64_t bytes() const;                        // on the device
  // What a tape of this many rays takes.
  [[nodiscard]] static std::uint64_t BytesFor(const PlanSpec& spec, std::int64_t rays);

  // (H, W, 3) sum of w c; (H, W); (H, W). Of the plan's precision.
  [[nodiscard]] const Tensor& radiance() const { return radiance_; }
  [[nodiscard]] const Tensor& transmittance() const { return transmittance_; }
  [[nodiscard]] const Tensor& depth() const { return depth_; }
  // (H, W); undefined where the plan has no kAovDistortion.
  [[nodiscard]] const Tensor& distortion() const { return distortion_; }

 private:
  friend class Renderer;
  friend class BackwardPass;
  Tape();
  absl::Status Allocate(Stream& stream);
  std::shared_ptr<const Plan> plan_;
  Scene scene_;
  std::uint64_t field_version_ = 0;
  std::int64_t height_ = 0, width_ = 0;
  Tensor radiance_, transmittance_, depth_, distortion_;
  std::unique_ptr<internal::DeviceRays> rays_;
};

}  // namespace dvren
