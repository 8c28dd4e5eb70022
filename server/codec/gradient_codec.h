// Gradients on the wire: what a request asks for, and what comes back.
#pragma once

#include <optional>

#include "dvren/diff/backward.h"
#include "dvren/diff/gradient_statistics.h"
#include "dvren/v1/field_service.pb.h"
#include "dvren/v1/render_service.pb.h"

namespace dvren::server {

struct GradientWishes {
  bool accumulate = false, values = false, camera = false, scene = false, step = false, rays = false;
  std::optional<int> exponent;
  DType dtype = DType::kF32;  // of values
  [[nodiscard]] bool of_values() const { return accumulate || values; }
  [[nodiscard]] bool any() const { return of_values() || camera || scene || step || rays; }
};

// INVALID_ARGUMENT for an exponent or a dtype that is none, and for a gradient that such a tape cannot give.
[[nodiscard]] absl::StatusOr<GradientWishes> DecodeGradientRequest(const v1::GradientRequest& message, bool of_rays);
// The exponent of sums; absent stays absent.
[[nodiscard]] absl::Status CheckExponent(std::optional<int> exponent, const std::string& path);
// F32, also when unspecified, or F64.
[[nodiscard]] absl::StatusOr<DType> DecodeGradientDType(v1::DType dtype, const std::string& path);

// What was asked for, of the scene and the camera that were rendered. `convention` is the one in which the camera was
// given. On a device worker: gradients of rays are copied from the device.
[[nodiscard]] absl::Status EncodeGradients(Stream& stream, const Gradients& gradients, const GradientWishes& wishes,
                                           const Tape& tape, v1::AxisConvention convention, v1::Gradients* message);
void EncodeGradientStatistics(const GradientStatistics& statistics, v1::GradientStats* message);
// Bytes of EncodeGradients' answer for each given ray.
[[nodiscard]] std::size_t GradientBytesPerRay(const GradientWishes& wishes, Precision precision);

}  // namespace dvren::server
