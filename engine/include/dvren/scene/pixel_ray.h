// The ray of one place in a photograph, in double precision: the kernels' camera on the host, for ray sources and
// calibration.
#pragma once

#include "dvren/core/geometry.h"
#include "dvren/io/dataset.h"

namespace dvren {

struct PixelRay {
  Vec3 origin, direction;  // world; unit
  bool mapped = true;      // false: beyond what the lens maps, the ray means nothing
};

// (x, y) in pixels, centres at +0.5. Undistorts by Newton's method.
[[nodiscard]] PixelRay RayThrough(const io::PhotoCamera& camera, double x, double y);

// The engine's camera for a photograph.
struct Camera;
[[nodiscard]] Camera CameraFor(const io::PhotoCamera& camera);

}  // namespace dvren
