#include "server/codec/training_exchange_codec.h"

#include <cmath>
#include <string>
#include <utility>
#include <variant>

#include "dvren/scene/camera.h"
#include "dvren/scene/pixel_ray.h"
#include "server/codec/camera_codec.h"
#include "server/codec/tensor_codec.h"

namespace dvren::server {
namespace {

constexpr std::int64_t kMaxGridValues = std::int64_t{1} << 40;

// Null where the tensor is absent.
absl::StatusOr<const float*> DecodeFloats(bool there, const v1::Tensor& tensor, std::int64_t count, int width,
                                          const std::string& path) {
  if (!there) return nullptr;
  DVREN_ASSIGN_OR_RETURN(const std::string* bytes, TensorBytes(tensor, DType::kF32, count, width, path));
  const auto* values = reinterpret_cast<const float*>(bytes->data());
  for (std::size_t i = 0; i < bytes->size() / sizeof(float); ++i) {
    if (!std::isfinite(values[i])) return InvalidField(absl::StrCat(path, "[", i, "]"), values[i], "must be finite");
  }
  return values;
}

io::PhotoCamera Scaled(io::PhotoCamera camera, double factor) {
  camera.width = static_cast<int>(camera.width * factor);
  camera.height = static_cast<int>(camera.height * factor);
  for (double* pixels : {&camera.fx, &camera.fy, &camera.cx, &camera.cy}) *pixels *= factor;
  return camera;
}

// False for a model that photographs do not have.
bool SetLens(const CameraModel& model, io::PhotoCamera& out) {
  if (const auto* pinhole = std::get_if<PinholeModel>(&model)) {
    out.model = io::PhotoCamera::Model::kPinhole;
    out.fx = pinhole->fx, out.fy = pinhole->fy, out.cx = pinhole->cx, out.cy = pinhole->cy;
    out.distortion = {pinhole->k1, pinhole->k2, pinhole->p1, pinhole->p2, pinhole->k3};
    return true;
  }
  if (const auto* fisheye = std::get_if<FisheyeModel>(&model)) {
    out.model = io::PhotoCamera::Model::kFisheye;
    out.fx = fisheye->fx, out.fy = fisheye->fy, out.cx = fisheye->cx, out.cy = fisheye->cy;
    out.distortion = {fisheye->k1, fisheye->k2, fisheye->k3, fisheye->k4, 0};
    return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<TrainingBatch> DecodeTrainingRays(const v1::TrainingRays& message) {
  TrainingBatch batch;
  DVREN_ASSIGN_OR_RETURN(batch.rays, DecodeRays(message.rays(), Precision::kF32));
  const std::int64_t n = batch.rays.count;
  if (n > kMaxTrainingRays) {
    return InvalidField("rays.origins.shape[0]", n,
                        absl::StrCat("a step takes at most ", kMaxTrainingRays, " rays; take several steps"));
  }
  if (!message.has_target()) return InvalidField("target", "absent", "give the colour that each ray should have");
  DVREN_ASSIGN_OR_RETURN(batch.target, DecodeFloats(true, message.target(), n, 3, "target"));
  DVREN_ASSIGN_OR_RETURN(batch.background,
                         DecodeFloats(message.has_background(), message.background(), n, 3, "background"));
  DVREN_ASSIGN_OR_RETURN(batch.weights, DecodeFloats(message.has_weights(), message.weights(), n, 0, "weights"));
  for (std::int64_t i = 0; batch.weights != nullptr && i < n; ++i) {
    if (!(batch.weights[i] >= 0))
      return InvalidField(absl::StrCat("weights[", i, "]"), batch.weights[i], "must be >= 0");
  }
  return batch;
}

void EncodePhotoCamera(const io::Photo& photo, const io::PhotoCamera& camera, int factor, v1::PhotoCamera* message) {
  message->set_photo(photo.name);
  EncodeCamera(CameraFor(Scaled(camera, factor)), message->mutable_camera());  // exact: factors are powers of two
}

absl::StatusOr<std::vector<io::PhotoCamera>> DecodePhotoCameras(
    const google::protobuf::RepeatedPtrField<v1::PhotoCamera>& messages, const io::PhotoSet& photos, int factor) {
  if (messages.size() != static_cast<int>(photos.photos.size())) {
    return InvalidField("cameras", messages.size(),
                        absl::StrCat("must be one for each of the ", photos.photos.size(), " photographs, or none"));
  }
  std::vector<io::PhotoCamera> cameras;
  for (int i = 0; i < messages.size(); ++i) {
    const v1::PhotoCamera& message = messages[i];
    const io::Photo& photo = photos.photos[static_cast<std::size_t>(i)];
    const std::string path = absl::StrCat("cameras[", i, "]");
    if (!message.photo().empty() && message.photo() != photo.name) {
      return InvalidField(path + ".photo", message.photo(), absl::StrCat("must be ", photo.name, ", or absent"));
    }
    const absl::StatusOr<Camera> camera = DecodeCamera(message.camera(), kMaxImageEdge);
    if (!camera.ok()) return absl::Status(camera.status().code(), absl::StrCat(path, ".", camera.status().message()));
    io::PhotoCamera full;
    full.width = camera->width, full.height = camera->height;
    full.camera_to_world = camera->camera_to_world();
    const io::PhotoCamera before = Scaled(photo.camera, factor);
    if (!SetLens(camera->model, full) || full.model != before.model) {
      return InvalidField(path + ".camera.model", "another", "must be that of its photograph");
    }
    if (full.width != before.width || full.height != before.height) {
      return InvalidField(path + ".camera", absl::StrCat(full.width, " x ", full.height),
                          absl::StrCat("must be ", before.width, " x ", before.height, ", as its photograph"));
    }
    cameras.push_back(Scaled(full, 1.0 / factor));
  }
  return cameras;
}

absl::StatusOr<std::array<std::int64_t, 4>> DecodeGridShape(const google::protobuf::RepeatedField<std::int64_t>& shape,
                                                            const std::string& path) {
  if (shape.size() != 4) {
    return InvalidField(path, absl::StrCat(shape.size(), " extents"), "must be nz, ny, nx, channels");
  }
  std::array<std::int64_t, 4> out{};
  std::int64_t values = 1;
  for (int i = 0; i < 4; ++i) {
    const std::int64_t extent = shape[i];
    if (extent < 1 || extent > kMaxGridValues / values) {
      return InvalidField(absl::StrCat(path, "[", i, "]"), extent, "must be >= 1, and 2^40 values at most");
    }
    values *= extent;
    out[static_cast<std::size_t>(i)] = extent;
  }
  return out;
}

}  // namespace dvren::server
