// A square image of a field in the unit cube, seen from in front of it.
#pragma once

#include <string>

#include "dvren/v1/render_service.pb.h"

namespace dvren::bench {

inline v1::RenderRequest SquarePicture(const std::string& field, int edge) {
  v1::RenderRequest request;
  request.mutable_scene()->add_instances()->set_field(field);
  v1::Camera& camera = *request.mutable_camera();
  camera.set_width(edge);
  camera.set_height(edge);
  camera.mutable_pinhole()->set_fx(edge);
  camera.mutable_pinhole()->set_fy(edge);
  for (const double m : {1., 0., 0., 0.5, 0., 1., 0., 0.5, 0., 0., 1., -1.}) camera.mutable_camera_to_world()->add_m(m);
  return request;
}

}  // namespace dvren::bench
