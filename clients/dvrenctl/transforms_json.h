// Cameras of photographs as a transforms.json, the form that NeRF, instant-ngp and nerfstudio share and the daemon's
// dataset reader reads.
#pragma once

#include "dvren/v1/training_service.pb.h"
#include "output.h"

namespace dvren::ctl {

// Intrinsics (at the top where all photographs share them, else in each frame: camera_model, w, h, fl_x, fl_y, cx, cy,
// k1, …) and frames with file_path, the photograph's path below its dataset, and transform_matrix (camera to world, x
// right, y up, z back). Cameras are pinhole or fisheye, in OpenCV axes, as GetCameras gives them.
[[nodiscard]] Value TransformsValue(const v1::GetCamerasResponse& cameras);

}  // namespace dvren::ctl
