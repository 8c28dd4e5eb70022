#include "server/codec/gradient_codec.h"

#include <variant>

#include "server/codec/geometry_codec.h"
#include "server/codec/tensor_codec.h"

namespace dvren::server {
namespace {

constexpr std::size_t kValuesPerRay = 8;  // origin, direction, t_near, t_far

void EncodeArray(const std::array<double, 3>& value, v1::Vec3* message) {
  EncodeVec3({value[0], value[1], value[2]}, message);
}

// The y and z columns of an OpenGL pose are those of the OpenCV one, negated: so are their gradients. Columns 0 and 3,
// omega and v are of the world.
void EncodePose(const CameraGradient& camera, v1::AxisConvention convention, v1::CameraGradient* message) {
  const bool opengl = convention == v1::AXIS_CONVENTION_OPENGL;
  for (std::size_t i = 0; i < camera.camera_to_world.size(); ++i) {
    const std::size_t column = i % 4;
    const bool flip = opengl && (column == 1 || column == 2);
    message->mutable_camera_to_world()->add_m(flip ? -camera.camera_to_world[i] : camera.camera_to_world[i]);
  }
  EncodeArray(camera.omega, message->mutable_omega());
  EncodeArray(camera.v, message->mutable_v());
}

void EncodeCameraGradient(const CameraGradient& camera, const CameraModel& model, v1::AxisConvention convention,
                          v1::CameraGradient* message) {
  EncodePose(camera, convention, message);
  message->set_fx(camera.fx);
  message->set_fy(camera.fy);
  message->set_cx(camera.cx);
  message->set_cy(camera.cy);
  message->set_k1(camera.distortion[0]);
  message->set_k2(camera.distortion[1]);
  if (std::holds_alternative<FisheyeModel>(model)) {  // k1 … k4
    message->set_k3(camera.distortion[2]);
    message->set_k4(camera.distortion[3]);
  } else {  // k1, k2, p1, p2, k3
    message->set_p1(camera.distortion[2]);
    message->set_p2(camera.distortion[3]);
    message->set_k3(camera.distortion[4]);
  }
  message->set_ortho_scale(camera.ortho_scale);
  message->set_t_near(camera.t_near);
  message->set_t_far(camera.t_far);
}

void EncodeSceneGradient(const SceneGradient& scene, v1::SceneGradient* message) {
  EncodeArray(scene.background, message->mutable_background());
  message->set_sigma_scale(scene.sigma_scale);
  EncodeArray(scene.color, message->mutable_color());
  message->mutable_knot_density()->Assign(scene.knot_density.begin(), scene.knot_density.end());
  for (const std::array<double, 3>& rgb : scene.knot_rgb) EncodeArray(rgb, message->add_knot_rgb());
}

absl::Status EncodeTensor(Stream& stream, const Tensor& tensor, v1::Tensor* message) {
  message->set_dtype(EncodeDType(tensor.dtype()));
  message->mutable_shape()->Assign(tensor.shape().begin(), tensor.shape().end());
  std::string* elements = message->mutable_payload()->mutable_inline_();
  elements->resize(tensor.bytes());
  return tensor.CopyToHost(stream, elements->data());
}

}  // namespace

absl::Status CheckExponent(std::optional<int> exponent, const std::string& path) {
  if (!exponent || (*exponent >= kMinGradientExponent && *exponent <= kMaxGradientExponent)) return absl::OkStatus();
  return InvalidField(
      path, *exponent,
      absl::StrCat("must be ", kMinGradientExponent, " to ", kMaxGradientExponent, ", or absent to have it chosen"));
}

absl::StatusOr<DType> DecodeGradientDType(v1::DType dtype, const std::string& path) {
  switch (dtype) {
    case v1::DTYPE_UNSPECIFIED:
    case v1::DTYPE_F32:
      return DType::kF32;
    case v1::DTYPE_F64:
      return DType::kF64;
    default:
      return InvalidField(path,
                          v1::DType_IsValid(dtype) ? v1::DType_Name(dtype) : absl::StrCat(static_cast<int>(dtype)),
                          "must be F32 or F64");
  }
}

absl::StatusOr<GradientWishes> DecodeGradientRequest(const v1::GradientRequest& message, bool of_rays) {
  GradientWishes wishes;
  wishes.accumulate = message.accumulate();
  wishes.values = message.values();
  wishes.camera = message.camera();
  wishes.scene = message.scene();
  wishes.step = message.step();
  wishes.rays = message.rays();
  if (message.has_exponent()) wishes.exponent = message.exponent();
  DVREN_RETURN_IF_ERROR(CheckExponent(wishes.exponent, "want.exponent"));
  DVREN_ASSIGN_OR_RETURN(wishes.dtype, DecodeGradientDType(message.dtype(), "want.dtype"));
  if (of_rays && wishes.camera) return InvalidField("want.camera", "true", "these rays are given; ask for want.rays");
  if (!of_rays && wishes.rays) {
    return InvalidField("want.rays", "true", "the tape is of a camera's image; ask for want.camera");
  }
  if (!wishes.any()) {
    return InvalidField("want", "nothing", "ask for accumulate, values, camera, scene, step or rays");
  }
  return wishes;
}

absl::Status EncodeGradients(Stream& stream, const Gradients& gradients, const GradientWishes& wishes, const Tape& tape,
                             v1::AxisConvention convention, v1::Gradients* message) {
  if (wishes.camera) {
    EncodeCameraGradient(gradients.camera, tape.plan()->spec().camera->model, convention, message->mutable_camera());
  }
  if (wishes.scene) EncodeSceneGradient(gradients.scene, message->mutable_scene());
  if (wishes.step) message->set_dt(gradients.dt);
  if (!wishes.rays) return absl::OkStatus();
  v1::RayGradient* rays = message->mutable_rays();
  DVREN_RETURN_IF_ERROR(EncodeTensor(stream, gradients.rays.origins, rays->mutable_origins()));
  DVREN_RETURN_IF_ERROR(EncodeTensor(stream, gradients.rays.directions, rays->mutable_directions()));
  DVREN_RETURN_IF_ERROR(EncodeTensor(stream, gradients.rays.t_near, rays->mutable_t_near()));
  return EncodeTensor(stream, gradients.rays.t_far, rays->mutable_t_far());
}

void EncodeGradientStatistics(const GradientStatistics& statistics, v1::GradientStats* message) {
  message->set_count(statistics.count);
  message->set_zeros(statistics.zeros);
  message->set_not_finite(statistics.nans + statistics.infinities);
  message->set_l1(statistics.l1);
  message->set_l2(statistics.l2);
  message->set_largest(statistics.largest);
  message->mutable_histogram()->Assign(statistics.histogram.begin(), statistics.histogram.end());
}

std::size_t GradientBytesPerRay(const GradientWishes& wishes, Precision precision) {
  return wishes.rays ? kValuesPerRay * DTypeSize(DTypeOf(precision)) : 0;
}

}  // namespace dvren::server
