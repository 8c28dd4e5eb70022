#include "render/render_steps.h"

#include <cstdint>
#include <limits>
#include <vector>

namespace dvren::internal {
namespace {

// Copies given values, or `otherwise` in each place where none are given.
template <class T>
absl::Status UploadOr(Stream& stream, Tensor& tensor, const void* values, double otherwise) {
  if (values != nullptr) return tensor.CopyFromHost(stream, values);
  const std::vector<T> filled(static_cast<std::size_t>(tensor.size()), static_cast<T>(otherwise));
  return tensor.CopyFromHost(stream, filled.data());
}

}  // namespace

DType DTypeOf(Precision precision) {
  return precision == Precision::kF64 ? DType::kF64 : DType::kF32;
}

absl::StatusOr<Frame> AllocateFrame(Stream& stream, const PlanSpec& spec, std::int64_t height, std::int64_t width) {
  const DType dtype = DTypeOf(spec.precision);
  const std::int64_t color[3] = {height, width, 3};
  const std::int64_t scalar[2] = {height, width};
  Frame frame;
  if ((spec.aovs & kAovRgb) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.rgb, Tensor::Allocate(stream, dtype, color));
  }
  if ((spec.aovs & kAovOpacity) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.opacity, Tensor::Allocate(stream, dtype, scalar));
  }
  if ((spec.aovs & kAovTransmittance) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.transmittance, Tensor::Allocate(stream, dtype, scalar));
  }
  if ((spec.aovs & kAovDepth) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.depth, Tensor::Allocate(stream, dtype, scalar));
  }
  if ((spec.aovs & kAovDistortion) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.distortion, Tensor::Allocate(stream, dtype, scalar));
  }
  if ((spec.aovs & kAovHit) != 0) {
    DVREN_ASSIGN_OR_RETURN(frame.hit, Tensor::Allocate(stream, dtype, scalar));
  }
  return frame;
}

absl::StatusOr<DeviceRays> UploadRays(Stream& stream, Precision precision, const RayBatch& rays) {
  DVREN_ASSIGN_OR_RETURN(DeviceRays out, DeviceRays::Allocate(stream, precision, rays.count));
  DVREN_RETURN_IF_ERROR(out.origins.CopyFromHost(stream, rays.origins));
  DVREN_RETURN_IF_ERROR(out.directions.CopyFromHost(stream, rays.directions));
  const auto upload = precision == Precision::kF64 ? &UploadOr<double> : &UploadOr<float>;
  DVREN_RETURN_IF_ERROR(upload(stream, out.t_near, rays.t_near, 0));
  DVREN_RETURN_IF_ERROR(upload(stream, out.t_far, rays.t_far, std::numeric_limits<double>::infinity()));
  if (rays.ids != nullptr) {
    DVREN_RETURN_IF_ERROR(out.ids.CopyFromHost(stream, rays.ids));
  } else {
    std::vector<std::int64_t> index(static_cast<std::size_t>(rays.count));
    for (std::size_t i = 0; i < index.size(); ++i) index[i] = static_cast<std::int64_t>(i);
    DVREN_RETURN_IF_ERROR(out.ids.CopyFromHost(stream, index.data()));
  }
  return out;
}

}  // namespace dvren::internal
