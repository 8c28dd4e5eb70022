// Renderer: scene + plan -> frame. No state between calls; safe to use from several threads with a stream each.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "dvren/plan/plan.h"
#include "dvren/render/frame.h"
#include "dvren/render/tape.h"
#include "dvren/scene/scene.h"

namespace dvren {

// N rays in host memory, unit directions, contiguous: origins (N, 3), directions (N, 3), and optionally t_near, t_far
// (N). f32 (or f64 with Precision::kF64); ids (N) are the keys of stratified sampling, default the index.
struct RayBatch {
  std::int64_t count = 0;
  const void* origins = nullptr;
  const void* directions = nullptr;
  const void* t_near = nullptr;       // absent: 0
  const void* t_far = nullptr;        // absent: +inf
  const std::int64_t* ids = nullptr;  // absent: the index
  bool count_each = false;            // Frame::counts
};

// How a frame is computed. Both give the same bits; kStaged stores every sample and is the readable reference.
enum class RenderPath : std::uint8_t { kFused, kStaged };

// What a plan and a scene must satisfy together: lattice indices stay below 2^24, where f32 counts exactly. Checked by
// every render; exported so that a service can refuse before it starts. INVALID_ARGUMENT names sampling.dt. Rays that
// are given instead of a camera are not bounded by this; those that pass the limit end there and count as truncated.
[[nodiscard]] absl::Status ValidatePlanForScene(const Plan& plan, const Scene& scene);

class Renderer {
 public:
  explicit Renderer(RenderPath path = RenderPath::kFused) : path_(path) {}

  // An uninitialised frame for the plan's ROI and AOVs.
  [[nodiscard]] absl::StatusOr<Frame> MakeFrame(Stream& stream, const Plan& plan) const;
  // One slice of work: renders plan.tiles()[tile_index] into `frame` and adds to its stats.
  [[nodiscard]] absl::Status RenderTile(Stream& stream, const Plan& plan, const Scene& scene, std::size_t tile_index,
                                        Frame& frame) const;
  // All tiles. `cancelled`, asked between tiles, ends the render with CANCELLED.
  [[nodiscard]] absl::StatusOr<Frame> Render(Stream& stream, const Plan& plan, const Scene& scene,
                                             const std::function<bool()>& cancelled = nullptr) const;
  // Given rays; the plan has no camera. Images have H = 1, W = rays.count.
  // INVALID_ARGUMENT for a direction that is not of unit length (1e-3), or anything not finite but t_far.
  [[nodiscard]] absl::StatusOr<Frame> RenderRays(Stream& stream, const Plan& plan, const Scene& scene,
                                                 const RayBatch& rays) const;

  // Forwards that backward can follow. Fused only: FAILED_PRECONDITION with RenderPath::kStaged or a batched field.
  // A tape for the plan's image, to be filled tile by tile; the frame holds the plan's AOVs.
  [[nodiscard]] absl::StatusOr<Tape> MakeTape(Stream& stream, std::shared_ptr<const Plan> plan,
                                              const Scene& scene) const;
  // One slice: renders plan.tiles()[tile_index] into the frame and the tape.
  [[nodiscard]] absl::Status ForwardTile(Stream& stream, std::size_t tile_index, Frame& frame, Tape& tape) const;
  // Given rays, at once; the plan has no camera.
  [[nodiscard]] absl::StatusOr<Tape> ForwardRays(Stream& stream, std::shared_ptr<const Plan> plan, const Scene& scene,
                                                 const RayBatch& rays, Frame& frame) const;
  // The whole image.
  [[nodiscard]] absl::StatusOr<Tape> Forward(Stream& stream, std::shared_ptr<const Plan> plan, const Scene& scene,
                                             Frame& frame) const;

 private:
  RenderPath path_;
};

}  // namespace dvren
