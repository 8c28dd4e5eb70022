// Backward: dL/d(image) in, gradients of the field, the camera, the scene and the rays out. Recomputes the samples;
// stores nothing per sample. What gradients hold fixed and what they differentiate: docs/conventions.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dvren/core/tensor.h"
#include "dvren/diff/gradient_tensor.h"
#include "dvren/render/frame.h"
#include "dvren/render/tape.h"

namespace dvren {

// dL/d(image) on a device: tensors of the tape's precision, shaped as the frame's (H, W[, 3]); undefined ones count as
// 0. At least one is defined. distortion needs a tape of a plan with kAovDistortion.
struct ImageAdjoint {
  Tensor rgb, opacity, transmittance, depth, distortion;
};

// The same in host memory, C order, of the tape's precision; null counts as 0.
struct HostImageAdjoint {
  const void* rgb = nullptr;
  const void* opacity = nullptr;
  const void* transmittance = nullptr;
  const void* depth = nullptr;
  const void* distortion = nullptr;
};

// What a backward pass computes besides.
struct BackwardRequest {
  std::shared_ptr<GradientTensor> values;  // added to; null: none
  bool camera = false;                     // needs a tape of a camera's image
  bool scene = false;                      // background, sigma scale, colour, transfer function
  bool step = false;                       // dt
  bool rays = false;                       // needs a tape of given rays
};

// dL/d(camera). Ambient and tangent are two views of the same gradient of the pose.
struct CameraGradient {
  std::array<double, 12> camera_to_world{};  // row-major 3x4, ambient, of normalise(R d)
  std::array<double, 3> omega{}, v{};        // of R <- exp(omega) R, o <- o + v
  double fx = 0, fy = 0, cx = 0, cy = 0;
  std::array<double, 5> distortion{};  // pinhole k1, k2, p1, p2, k3; fisheye k1 … k4
  double ortho_scale = 0, t_near = 0, t_far = 0;
};

struct SceneGradient {
  std::array<double, 3> background{}, color{};
  double sigma_scale = 0;
  std::vector<double> knot_density;  // one per knot of the transfer function
  std::vector<std::array<double, 3>> knot_rgb;
};

// dL/d(rays), on the device, of the tape's precision: (N, 3), (N, 3), (N), (N).
struct RayGradient {
  Tensor origins, directions, t_near, t_far;
};

struct Gradients {
  CameraGradient camera;  // zeros unless asked for, and so on
  SceneGradient scene;
  double dt = 0;
  RayGradient rays;   // undefined unless asked for
  RenderStats stats;  // of the pass: rays, samples, wall_seconds
};

// One backward pass over one tape, cut into the slices of its plan. Slices may run in any order, each once.
class BackwardPass {
 public:
  // Checks all of it before anything is added. INVALID_ARGUMENT for an adjoint of another shape, dtype or device, for a
  // NaN or an infinity in it (with image, pixel and value), for a gradient that the tape cannot give, for a gradient
  // tensor of another field; ABORTED when the field has changed since the forward.
  [[nodiscard]] static absl::StatusOr<BackwardPass> Make(Stream& stream, std::shared_ptr<const Tape> tape,
                                                         ImageAdjoint adjoint, BackwardRequest request);
  BackwardPass(BackwardPass&&) = default;
  BackwardPass& operator=(BackwardPass&&) = default;

  [[nodiscard]] std::size_t slices() const;
  [[nodiscard]] absl::Status RunSlice(Stream& stream, std::size_t index);
  // After all slices. OUT_OF_RANGE when a contribution left the range of the fixed point: request.values is then spoilt
  // and must be zeroed, with a larger exponent.
  [[nodiscard]] absl::StatusOr<Gradients> Finish(Stream& stream);

 private:
  BackwardPass() = default;
  std::shared_ptr<const Tape> tape_;
  ImageAdjoint adjoint_;
  BackwardRequest request_;
  Tensor sums_;  // (HP_SUM_COUNT, 2) i64
  Gradients result_;
  std::int64_t overflowed_ = 0;
};

// Copies host memory to the tape's device, after the checks of BackwardPass::Make.
[[nodiscard]] absl::StatusOr<ImageAdjoint> UploadAdjoint(Stream& stream, const Tape& tape,
                                                         const HostImageAdjoint& adjoint);

// A whole pass at once.
[[nodiscard]] absl::StatusOr<Gradients> Backward(Stream& stream, std::shared_ptr<const Tape> tape, ImageAdjoint adjoint,
                                                 BackwardRequest request);

}  // namespace dvren
