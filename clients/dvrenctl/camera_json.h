// Camera files:
// {"model","width","height","fx","fy","cx","cy","distortion","ortho_scale","camera_to_world","convention",
// "t_near","t_far"}. Strict: unknown keys, keys of another model, wrong types and numbers that are not finite are
// errors.
#pragma once

#include <string>

#include "dvren/core/status.h"
#include "dvren/v1/scene.pb.h"

namespace dvren::ctl {

// `width` and `height` (0: not given) come from the command line: they fill in what the file leaves out, and
// INVALID_ARGUMENT where they contradict it, since the intrinsics belong to the file's size.
[[nodiscard]] absl::StatusOr<v1::Camera> ParseCameraJson(const std::string& text, const std::string& file, int width,
                                                         int height);
[[nodiscard]] absl::StatusOr<v1::Camera> ReadCameraJson(const std::string& path, int width, int height);

}  // namespace dvren::ctl
