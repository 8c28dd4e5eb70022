#include "transforms_json.h"

namespace dvren::ctl {
namespace {

Value Intrinsics(const v1::Camera& camera) {
  Value value;
  const auto lens = [&](const auto& model, const char* name) {
    value = {{"camera_model", name},
             {"w", camera.width()},
             {"h", camera.height()},
             {"fl_x", model.fx()},
             {"fl_y", model.fy()},
             {"cx", model.has_cx() ? model.cx() : 0.5 * camera.width()},
             {"cy", model.has_cy() ? model.cy() : 0.5 * camera.height()},
             {"k1", model.k1()},
             {"k2", model.k2()},
             {"k3", model.k3()}};
  };
  if (camera.has_fisheye()) {
    lens(camera.fisheye(), "OPENCV_FISHEYE");
    value["k4"] = camera.fisheye().k4();
  } else {
    lens(camera.pinhole(), "OPENCV");
    value["p1"] = camera.pinhole().p1();
    value["p2"] = camera.pinhole().p2();
  }
  return value;
}

Value Pose(const v1::Camera& camera) {
  Value rows = Value::array();
  for (int i = 0; i < 3; ++i) {
    const auto m = [&](int j) { return camera.camera_to_world().m(4 * i + j); };
    rows.push_back({m(0), -m(1), -m(2), m(3)});  // OpenGL's y is up and its z points back
  }
  rows.push_back({0, 0, 0, 1});
  return rows;
}

}  // namespace

Value TransformsValue(const v1::GetCamerasResponse& cameras) {
  Value shared = cameras.cameras_size() > 0 ? Intrinsics(cameras.cameras(0).camera()) : Value::object();
  for (const v1::PhotoCamera& photo : cameras.cameras()) {
    if (Intrinsics(photo.camera()) != shared) shared = Value::object();
  }
  Value frames = Value::array();
  for (const v1::PhotoCamera& photo : cameras.cameras()) {
    Value frame = {{"file_path", photo.photo()}};
    if (shared.empty()) frame.update(Intrinsics(photo.camera()));
    frame["transform_matrix"] = Pose(photo.camera());
    frames.push_back(std::move(frame));
  }
  shared["frames"] = std::move(frames);
  return shared;
}

}  // namespace dvren::ctl
