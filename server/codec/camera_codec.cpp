#include "server/codec/camera_codec.h"

#include <cmath>
#include <limits>

#include "server/codec/geometry_codec.h"

namespace dvren::server {
namespace {

absl::Status CheckEdge(const char* path, int value, int max_image_edge) {
  if (value >= 1 && value <= max_image_edge) return absl::OkStatus();
  return InvalidField(path, value, absl::StrCat("must be 1 to ", max_image_edge));
}

absl::Status CheckFinite(const std::string& path, double value) {
  return std::isfinite(value) ? absl::OkStatus() : InvalidField(path, value, "must be finite");
}

absl::Status CheckPositive(const std::string& path, double value) {
  return std::isfinite(value) && value > 0 ? absl::OkStatus() : InvalidField(path, value, "must be > 0");
}

// What pinhole and fisheye have in common.
template <class Model, class Message>
absl::StatusOr<Model> DecodeLens(const Message& message, const std::string& path, int width, int height) {
  Model model;
  model.fx = message.fx();
  model.fy = message.fy();
  model.cx = message.has_cx() ? message.cx() : 0.5 * width;
  model.cy = message.has_cy() ? message.cy() : 0.5 * height;
  model.k1 = message.k1();
  model.k2 = message.k2();
  model.k3 = message.k3();
  DVREN_RETURN_IF_ERROR(CheckPositive(path + ".fx", model.fx));
  DVREN_RETURN_IF_ERROR(CheckPositive(path + ".fy", model.fy));
  DVREN_RETURN_IF_ERROR(CheckFinite(path + ".cx", model.cx));
  DVREN_RETURN_IF_ERROR(CheckFinite(path + ".cy", model.cy));
  DVREN_RETURN_IF_ERROR(CheckFinite(path + ".k1", model.k1));
  DVREN_RETURN_IF_ERROR(CheckFinite(path + ".k2", model.k2));
  DVREN_RETURN_IF_ERROR(CheckFinite(path + ".k3", model.k3));
  return model;
}

absl::StatusOr<CameraModel> DecodeModel(const v1::Camera& message) {
  switch (message.model_case()) {
    case v1::Camera::kPinhole: {
      const v1::PinholeModel& in = message.pinhole();
      DVREN_ASSIGN_OR_RETURN(auto model,
                             DecodeLens<PinholeModel>(in, "camera.pinhole", message.width(), message.height()));
      model.p1 = in.p1();
      model.p2 = in.p2();
      DVREN_RETURN_IF_ERROR(CheckFinite("camera.pinhole.p1", model.p1));
      DVREN_RETURN_IF_ERROR(CheckFinite("camera.pinhole.p2", model.p2));
      return model;
    }
    case v1::Camera::kFisheye: {
      const v1::FisheyeModel& in = message.fisheye();
      DVREN_ASSIGN_OR_RETURN(auto model,
                             DecodeLens<FisheyeModel>(in, "camera.fisheye", message.width(), message.height()));
      model.k4 = in.k4();
      DVREN_RETURN_IF_ERROR(CheckFinite("camera.fisheye.k4", model.k4));
      return model;
    }
    case v1::Camera::kOrthographic: {
      OrthographicModel model;
      model.ortho_scale = message.orthographic().ortho_scale();
      DVREN_RETURN_IF_ERROR(CheckPositive("camera.orthographic.ortho_scale", model.ortho_scale));
      return model;
    }
    case v1::Camera::MODEL_NOT_SET:
      break;
  }
  return InvalidField("camera.model", "absent", "give pinhole, fisheye or orthographic");
}

absl::StatusOr<Affine> DecodePose(const v1::Affine& message, v1::AxisConvention convention, const std::string& path) {
  DVREN_ASSIGN_OR_RETURN(Affine pose, DecodeAffine(message, path));
  switch (convention) {
    case v1::AXIS_CONVENTION_UNSPECIFIED:
    case v1::AXIS_CONVENTION_OPENCV:
      return pose;
    case v1::AXIS_CONVENTION_OPENGL:
      for (int row = 0; row < 3; ++row) {
        pose.m[4 * row + 1] = -pose.m[4 * row + 1];
        pose.m[4 * row + 2] = -pose.m[4 * row + 2];
      }
      return pose;
    default:
      return InvalidField("camera.convention", static_cast<int>(convention), "must be OPENCV or OPENGL");
  }
}

absl::StatusOr<Shutter> DecodeShutter(const v1::Shutter& message) {
  Shutter shutter;
  switch (message.kind()) {
    case v1::Shutter::KIND_UNSPECIFIED:
    case v1::Shutter::INSTANT:
      shutter.kind = ShutterKind::kInstant;
      break;
    case v1::Shutter::GLOBAL:
      shutter.kind = ShutterKind::kGlobal;
      break;
    case v1::Shutter::ROLLING:
      shutter.kind = ShutterKind::kRolling;
      break;
    default:
      return InvalidField("camera.shutter.kind", static_cast<int>(message.kind()),
                          "must be INSTANT, GLOBAL or ROLLING");
  }
  shutter.open = message.open_s();
  shutter.close = message.close_s();
  return shutter;
}

template <class Model, class Message>
void EncodeLens(const Model& model, Message* message) {
  message->set_fx(model.fx);
  message->set_fy(model.fy);
  message->set_cx(model.cx);
  message->set_cy(model.cy);
  message->set_k1(model.k1);
  message->set_k2(model.k2);
  message->set_k3(model.k3);
}

void EncodeModel(const PinholeModel& model, v1::Camera* message) {
  EncodeLens(model, message->mutable_pinhole());
  message->mutable_pinhole()->set_p1(model.p1);
  message->mutable_pinhole()->set_p2(model.p2);
}

void EncodeModel(const FisheyeModel& model, v1::Camera* message) {
  EncodeLens(model, message->mutable_fisheye());
  message->mutable_fisheye()->set_k4(model.k4);
}

void EncodeModel(const OrthographicModel& model, v1::Camera* message) {
  message->mutable_orthographic()->set_ortho_scale(model.ortho_scale);
}

}  // namespace

absl::StatusOr<Camera> DecodeCamera(const v1::Camera& message, int max_image_edge) {
  Camera camera;
  DVREN_RETURN_IF_ERROR(CheckEdge("camera.width", message.width(), max_image_edge));
  DVREN_RETURN_IF_ERROR(CheckEdge("camera.height", message.height(), max_image_edge));
  camera.width = message.width();
  camera.height = message.height();
  DVREN_ASSIGN_OR_RETURN(camera.model, DecodeModel(message));
  if (message.keyframes_size() > 0) {
    if (message.has_camera_to_world()) {
      return InvalidField("camera.keyframes", absl::StrCat(message.keyframes_size(), " keyframes"),
                          "give camera_to_world or keyframes, not both");
    }
    camera.keyframes.clear();
    for (int i = 0; i < message.keyframes_size(); ++i) {
      const std::string path = absl::StrCat("camera.keyframes[", i, "]");
      CameraKeyframe keyframe;
      keyframe.time = message.keyframes(i).time();
      if (!(keyframe.time >= 0 && keyframe.time <= 1))
        return InvalidField(path + ".time", keyframe.time, "must be 0 to 1");
      DVREN_ASSIGN_OR_RETURN(keyframe.camera_to_world, DecodePose(message.keyframes(i).camera_to_world(),
                                                                  message.convention(), path + ".camera_to_world"));
      camera.keyframes.push_back(keyframe);
    }
  } else {
    if (!message.has_camera_to_world()) {
      return InvalidField("camera.camera_to_world", "absent", "give the 3x4 pose, or no camera for the default orbit");
    }
    DVREN_ASSIGN_OR_RETURN(camera.keyframes.front().camera_to_world,
                           DecodePose(message.camera_to_world(), message.convention(), "camera.camera_to_world"));
  }
  DVREN_ASSIGN_OR_RETURN(camera.shutter, DecodeShutter(message.shutter()));
  camera.t_near = message.t_near();
  camera.t_far = message.has_t_far() ? message.t_far() : std::numeric_limits<double>::infinity();
  if (!(std::isfinite(camera.t_near) && camera.t_near >= 0)) {
    return InvalidField("camera.t_near", camera.t_near, "must be >= 0");
  }
  if (!(camera.t_far > camera.t_near)) {
    return InvalidField("camera.t_far", camera.t_far, absl::StrCat("must be > t_near = ", camera.t_near));
  }
  DVREN_RETURN_IF_ERROR(ValidateCamera(camera));
  return camera;
}

void EncodeCamera(const Camera& camera, v1::Camera* message) {
  message->set_width(camera.width);
  message->set_height(camera.height);
  std::visit([&](const auto& model) { EncodeModel(model, message); }, camera.model);
  message->set_convention(v1::AXIS_CONVENTION_OPENCV);
  EncodeAffine(camera.camera_to_world(), message->mutable_camera_to_world());
  message->set_t_near(camera.t_near);
  if (std::isfinite(camera.t_far)) message->set_t_far(camera.t_far);
}

Camera DefaultCamera(const Box& world_box) {
  constexpr double kAzimuthDegrees = 30, kElevationDegrees = 20, kFovDegrees = 40;
  constexpr int kEdge = 1024;
  return OrbitCamera(world_box, kAzimuthDegrees, kElevationDegrees, /*distance=*/0, kFovDegrees, kEdge, kEdge);
}

}  // namespace dvren::server
