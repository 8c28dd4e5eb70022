#include "colmap_model.h"

#include <cmath>

#include "absl/strings/str_join.h"
#include "printable.h"

namespace dvren::io {
namespace {

struct ModelRow {
  const char* name;
  std::size_t parameters;
  bool two_focals, fisheye;
  std::size_t distortion;  // how many follow the centre; they have the order of PhotoCamera
};
constexpr ModelRow kModels[] = {
    {"SIMPLE_PINHOLE", 3, false, false, 0}, {"PINHOLE", 4, true, false, 0}, {"SIMPLE_RADIAL", 4, false, false, 1},
    {"RADIAL", 5, false, false, 2},         {"OPENCV", 8, true, false, 4},  {"OPENCV_FISHEYE", 8, true, true, 4},
};
// By their numbers in cameras.bin; the first six are those above.
constexpr const char* kNames[] = {"SIMPLE_PINHOLE",
                                  "PINHOLE",
                                  "SIMPLE_RADIAL",
                                  "RADIAL",
                                  "OPENCV",
                                  "OPENCV_FISHEYE",
                                  "FULL_OPENCV",
                                  "FOV",
                                  "SIMPLE_RADIAL_FISHEYE",
                                  "RADIAL_FISHEYE",
                                  "THIN_PRISM_FISHEYE"};

const ModelRow* Find(const std::string& model) {
  for (const ModelRow& row : kModels) {
    if (model == row.name) return &row;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::size_t> ColmapParameters(const std::string& model, const std::string& where) {
  if (const ModelRow* row = Find(model)) return row->parameters;
  std::vector<std::string> names;
  for (const ModelRow& row : kModels) names.emplace_back(row.name);
  return absl::InvalidArgumentError(absl::StrCat(where, ": camera model = ", Printable(model), ": must be one of ",
                                                 absl::StrJoin(names, ", "), "; undistort the images with COLMAP"));
}

std::string ColmapModelName(std::int32_t id) {
  return id >= 0 && id < static_cast<std::int32_t>(std::size(kNames)) ? kNames[id] : "";
}

absl::Status AddColmapCamera(const std::string& where, std::uint32_t id, const std::string& model, std::uint64_t width,
                             std::uint64_t height, std::span<const double> parameters, ColmapCameras* cameras) {
  DVREN_ASSIGN_OR_RETURN(const std::size_t count, ColmapParameters(model, where));
  if (parameters.size() != count) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": ", parameters.size(), " parameters: ", model, " has ", count));
  }
  if (width < 1 || height < 1 || width > 65535 || height > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": image of ", width, "x", height, " pixels: must be 1 … 65535 on each edge"));
  }
  const ModelRow& row = *Find(model);
  const double* p = parameters.data();
  ColmapCamera camera;
  camera.model = row.fisheye ? PhotoCamera::Model::kFisheye : PhotoCamera::Model::kPinhole;
  camera.width = static_cast<int>(width);
  camera.height = static_cast<int>(height);
  camera.fx = *p++;
  camera.fy = row.two_focals ? *p++ : camera.fx;
  camera.cx = *p++;  // the centre of the first pixel is (0.5, 0.5) there too
  camera.cy = *p++;
  for (std::size_t i = 0; i < row.distortion; ++i) camera.distortion[i] = *p++;
  if (!cameras->emplace(id, camera).second) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": camera ", id, " is there twice: leave one of them out"));
  }
  return absl::OkStatus();
}

absl::Status AddColmapImage(const std::string& where, const ColmapImage& image, const ColmapCameras& cameras,
                            Listing* listing) {
  ListedPhoto photo;
  photo.where = where;
  DVREN_ASSIGN_OR_RETURN(const std::string name, TidyPath(image.name, where + ": name"));
  photo.name = "images/" + name;
  const auto at = cameras.find(image.camera_id);
  if (at == cameras.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": camera = ", image.camera_id, ": must be one of the cameras file"));
  }
  const ColmapCamera& camera = at->second;
  photo.model = camera.model;
  photo.width = camera.width;
  photo.height = camera.height;
  photo.fx = camera.fx;
  photo.fy = camera.fy;
  photo.cx = camera.cx;
  photo.cy = camera.cy;
  photo.distortion = camera.distortion;
  const auto [w, x, y, z] = image.rotation;
  // World to camera, from the quaternion as it is: one that is not of unit length shows as no rotation.
  const std::array<double, 9> to_camera{
      w * w + x * x - y * y - z * z, 2 * (x * y - w * z),           2 * (x * z + w * y),
      2 * (x * y + w * z),           w * w - x * x + y * y - z * z, 2 * (y * z - w * x),
      2 * (x * z - w * y),           2 * (y * z + w * x),           w * w - x * x - y * y + z * z};
  DVREN_ASSIGN_OR_RETURN(const auto r, NearestRotation(to_camera, where + ": rotation", &listing->rotation_error));
  for (int i = 0; i < 3; ++i) {
    double position = 0;
    for (int j = 0; j < 3; ++j) {
      photo.camera_to_world.m[4 * i + j] = r[3 * j + i];
      position -= r[3 * j + i] * image.translation[j];
    }
    photo.camera_to_world.m[4 * i + 3] = position;
  }
  DVREN_RETURN_IF_ERROR(CheckListedPhoto(photo));
  listing->photos.push_back(std::move(photo));
  return absl::OkStatus();
}

}  // namespace dvren::io
