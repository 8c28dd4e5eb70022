// The orbit camera: around the centre of a box, azimuth about +y from +z, elevation up. The daemon's default camera is
// the same with azimuth 30, elevation 20, a distance that shows the whole box, and a field of view of 40 degrees.
#pragma once

#include "dvren/v1/scene.pb.h"

namespace dvren::ctl {

struct Orbit {
  double azimuth_degrees = 30, elevation_degrees = 20;
  double distance = 0;      // world units from the centre; 0: such that the box's bounding sphere fits
  double fov_degrees = 40;  // vertical
};

// Pinhole, OpenCV axes; `width` and `height` in pixels.
[[nodiscard]] v1::Camera OrbitCamera(const v1::Box& world_box, const Orbit& orbit, int width, int height);

}  // namespace dvren::ctl
