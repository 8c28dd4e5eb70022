// Cameras on the wire. `opengl` poses become OpenCV ones here, by negating the y and z columns of camera_to_world.
#pragma once

#include "dvren/scene/camera.h"
#include "dvren/v1/scene.pb.h"

namespace dvren::server {

// INVALID_ARGUMENT `camera.… = value: remedy`; UNIMPLEMENTED for motion. `max_image_edge`: the daemon's limit, in
// pixels.
[[nodiscard]] absl::StatusOr<Camera> DecodeCamera(const v1::Camera& message, int max_image_edge);
// With every default filled in, in OpenCV axes.
void EncodeCamera(const Camera& camera, v1::Camera* message);
// What is rendered where a request carries no camera.
[[nodiscard]] Camera DefaultCamera(const Box& world_box);

}  // namespace dvren::server
