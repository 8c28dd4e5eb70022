// What the readers of each dataset format hand to dvren/io/dataset_reader.h: photographs by name with their cameras, as
// the files say, before any image is looked at. Internal to dvren::io.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dvren/io/dataset_reader.h"

namespace dvren::io {

struct ListedPhoto {
  std::string name;   // path below the dataset, with extension, "/" between folders, no "." or ".."
  std::string where;  // "transforms.json: frames[3]", for messages
  std::string split;  // train, test, val; empty where the files have no splits
  PhotoCamera::Model model = PhotoCamera::Model::kPinhole;
  // As the file states them, of the image in its full size; without: what the image has, the centre, the angles.
  std::optional<int> width, height;
  std::optional<double> fx, fy, cx, cy;
  std::optional<double> angle_x, angle_y;  // radians, of the whole width and height
  std::array<double, 5> distortion{};
  Affine camera_to_world;  // OpenCV axes, rigid
};

struct Listing {
  std::vector<ListedPhoto> photos;
  std::optional<Box> bounds;  // where the format says where the scene is
  bool sort_by_name = false;  // the files come in no order
  double rotation_error = 0;
  std::vector<std::string> notes;
};

// A format: one line of the table in dataset_formats.cpp.
struct DatasetFormat {
  const char* name;
  const char* looks_for;                      // in messages
  bool (*detect)(const std::string& folder);  // by names alone
  // `folder` is a real path; messages start with a file's path below it. `split`: train, test, val or all; a format
  // whose files are the splits reads those asked for.
  absl::StatusOr<Listing> (*list)(const std::string& folder, const std::string& split);
};
[[nodiscard]] std::span<const DatasetFormat> DatasetFormats();

[[nodiscard]] bool IsBlenderDataset(const std::string& folder);
[[nodiscard]] absl::StatusOr<Listing> ListBlenderDataset(const std::string& folder, const std::string& split);
[[nodiscard]] bool IsTransformsDataset(const std::string& folder);
[[nodiscard]] absl::StatusOr<Listing> ListTransformsDataset(const std::string& folder, const std::string& split);
[[nodiscard]] bool IsColmapDataset(const std::string& folder);
[[nodiscard]] absl::StatusOr<Listing> ListColmapDataset(const std::string& folder, const std::string& split);

// A path from a file, tidied: "./train/r_0.png" is "train/r_0.png". INVALID_ARGUMENT for what is empty or not
// printable, PERMISSION_DENIED for an absolute path and for "..". `where` starts the message.
[[nodiscard]] absl::StatusOr<std::string> TidyPath(const std::string& path, const std::string& where);

// The real path of `name` below `folder`, itself a real path. NOT_FOUND where there is no such file, PERMISSION_DENIED
// when symbolic links lead out of the folder.
[[nodiscard]] absl::StatusOr<std::string> ResolveBelow(const std::string& folder, const std::string& name);

// A rotation as files hold it (row-major 3x3, rounded) to the nearest rotation. INVALID_ARGUMENT for a reflection and
// for what differs from a rotation by more than 1e-3 in any entry of R^T R - 1; `error` grows to that entry.
[[nodiscard]] absl::StatusOr<std::array<double, 9>> NearestRotation(const std::array<double, 9>& matrix,
                                                                    const std::string& where, double* error);

// What is wrong with the numbers of a camera, if anything: INVALID_ARGUMENT `where: fl_x = -1: …`.
[[nodiscard]] absl::Status CheckListedPhoto(const ListedPhoto& photo);

}  // namespace dvren::io
