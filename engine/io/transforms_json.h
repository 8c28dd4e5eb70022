// The JSON that NeRF's Blender scenes, instant-ngp and nerfstudio share: intrinsics, and frames with file_path and
// transform_matrix (camera to world, OpenGL axes: x right, y up, z back). Internal to dvren::io.
#pragma once

#include <map>

#include "dataset_listing.h"

namespace dvren::io {

// Appends the photographs of `folder`/`file` to `listing`. A file_path without .png, .jpg or .jpeg gets .png.
// Intrinsics of a frame stand above those of the file: fl_x, fl_y, cx, cy, w, h, k1 … k4, p1, p2, camera_angle_x and
// _y, camera_model (OPENCV, OPENCV_FISHEYE, PINHOLE, SIMPLE_PINHOLE) and is_fisheye. `split` is set for every
// photograph; empty: by train_filenames, test_filenames and val_filenames, where the file has them.
[[nodiscard]] absl::Status ListTransformsJson(const std::string& folder, const std::string& file,
                                              const std::string& split, Listing* listing);

}  // namespace dvren::io
