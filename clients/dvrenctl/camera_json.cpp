#include "camera_json.h"

#include <vector>

#include "strict_json.h"

namespace dvren::ctl {
namespace {

using Keys = std::vector<std::string>;

absl::Status ReadSize(const StrictObject& file, const char* key, int given, int& size) {
  if (!file.Has(key)) {
    if (given == 0) return file.Missing(key, absl::StrCat("give it in the file or as --", key));
    size = given;
    return absl::OkStatus();
  }
  DVREN_ASSIGN_OR_RETURN(size, file.PositiveInt(key));
  if (given != 0 && given != size) {
    return InvalidField(
        absl::StrCat("--", key), given,
        absl::StrCat("the camera file says ", size, " and its intrinsics belong to that; leave one out"));
  }
  return absl::OkStatus();
}

// fx, fy, cx, cy of models with a focal length.
template <class Model>
absl::Status ReadIntrinsics(const StrictObject& file, Model& model) {
  for (const char* key : {"fx", "fy"}) {
    if (!file.Has(key)) return file.Missing(key, "give the focal length in pixels");
  }
  DVREN_ASSIGN_OR_RETURN(const double fx, file.Number("fx"));
  DVREN_ASSIGN_OR_RETURN(const double fy, file.Number("fy"));
  if (fx <= 0) return file.Error("fx", absl::StrCat(fx), "must be > 0, in pixels");
  if (fy <= 0) return file.Error("fy", absl::StrCat(fy), "must be > 0, in pixels");
  model.set_fx(fx);
  model.set_fy(fy);
  if (file.Has("cx")) {
    DVREN_ASSIGN_OR_RETURN(const double cx, file.Number("cx"));
    model.set_cx(cx);
  }
  if (file.Has("cy")) {
    DVREN_ASSIGN_OR_RETURN(const double cy, file.Number("cy"));
    model.set_cy(cy);
  }
  return absl::OkStatus();
}

struct Coefficient {
  const char* key;
  void (*set)(v1::Camera&, double);
};

absl::Status ReadDistortion(const StrictObject& file, std::vector<Coefficient> coefficients, v1::Camera& camera) {
  if (!file.Has("distortion")) return absl::OkStatus();
  DVREN_ASSIGN_OR_RETURN(const StrictObject distortion, file.Object("distortion"));
  Keys keys;
  for (const Coefficient& coefficient : coefficients) keys.emplace_back(coefficient.key);
  DVREN_RETURN_IF_ERROR(distortion.OnlyKeys(keys));
  for (const Coefficient& coefficient : coefficients) {
    DVREN_ASSIGN_OR_RETURN(const double value, distortion.NumberOr(coefficient.key, 0));
    coefficient.set(camera, value);
  }
  return absl::OkStatus();
}

absl::Status ReadModel(const StrictObject& file, const std::string& model, v1::Camera& camera) {
  if (model == "orthographic") {
    for (const char* key : {"fx", "fy", "cx", "cy", "distortion"}) {
      if (file.Has(key)) return file.Error(key, "given", "an orthographic camera has none; it takes ortho_scale");
    }
    if (!file.Has("ortho_scale")) return file.Missing("ortho_scale", "give the world height of the image");
    DVREN_ASSIGN_OR_RETURN(const double scale, file.Number("ortho_scale"));
    if (scale <= 0) return file.Error("ortho_scale", absl::StrCat(scale), "must be > 0, the world height of the image");
    camera.mutable_orthographic()->set_ortho_scale(scale);
    return absl::OkStatus();
  }
  if (file.Has("ortho_scale"))
    return file.Error("ortho_scale", "given", absl::StrCat("a ", model, " camera has none; it takes fx and fy"));
  if (model == "fisheye") {
    DVREN_RETURN_IF_ERROR(ReadIntrinsics(file, *camera.mutable_fisheye()));
    return ReadDistortion(file,
                          {{"k1", [](v1::Camera& c, double v) { c.mutable_fisheye()->set_k1(v); }},
                           {"k2", [](v1::Camera& c, double v) { c.mutable_fisheye()->set_k2(v); }},
                           {"k3", [](v1::Camera& c, double v) { c.mutable_fisheye()->set_k3(v); }},
                           {"k4", [](v1::Camera& c, double v) { c.mutable_fisheye()->set_k4(v); }}},
                          camera);
  }
  DVREN_RETURN_IF_ERROR(ReadIntrinsics(file, *camera.mutable_pinhole()));
  return ReadDistortion(file,
                        {{"k1", [](v1::Camera& c, double v) { c.mutable_pinhole()->set_k1(v); }},
                         {"k2", [](v1::Camera& c, double v) { c.mutable_pinhole()->set_k2(v); }},
                         {"k3", [](v1::Camera& c, double v) { c.mutable_pinhole()->set_k3(v); }},
                         {"p1", [](v1::Camera& c, double v) { c.mutable_pinhole()->set_p1(v); }},
                         {"p2", [](v1::Camera& c, double v) { c.mutable_pinhole()->set_p2(v); }}},
                        camera);
}

}  // namespace

absl::StatusOr<v1::Camera> ParseCameraJson(const std::string& text, const std::string& file_name, int width,
                                           int height) {
  DVREN_ASSIGN_OR_RETURN(const nlohmann::json value, ParseStrictJson(text, file_name));
  const StrictObject file(value, file_name);
  DVREN_RETURN_IF_ERROR(file.OnlyKeys(Keys{"model", "width", "height", "fx", "fy", "cx", "cy", "distortion",
                                           "ortho_scale", "camera_to_world", "convention", "t_near", "t_far"}));
  v1::Camera camera;
  int size = 0;
  DVREN_RETURN_IF_ERROR(ReadSize(file, "width", width, size));
  camera.set_width(size);
  DVREN_RETURN_IF_ERROR(ReadSize(file, "height", height, size));
  camera.set_height(size);

  std::string model = "pinhole";
  if (file.Has("model")) {
    DVREN_ASSIGN_OR_RETURN(model, file.Choice("model", Keys{"pinhole", "fisheye", "orthographic"}));
  }
  DVREN_RETURN_IF_ERROR(ReadModel(file, model, camera));

  camera.set_convention(v1::AXIS_CONVENTION_OPENCV);
  if (file.Has("convention")) {
    DVREN_ASSIGN_OR_RETURN(const std::string convention, file.Choice("convention", Keys{"opencv", "opengl"}));
    if (convention == "opengl") camera.set_convention(v1::AXIS_CONVENTION_OPENGL);
  }
  DVREN_ASSIGN_OR_RETURN(const auto pose, file.Rows("camera_to_world", 3, 4));
  for (const double number : pose) camera.mutable_camera_to_world()->add_m(number);

  DVREN_ASSIGN_OR_RETURN(const double t_near, file.NumberOr("t_near", 0));
  if (t_near < 0) return file.Error("t_near", absl::StrCat(t_near), "must be >= 0, a world distance");
  camera.set_t_near(t_near);
  if (file.Has("t_far") && !file.IsInfinity("t_far")) {
    DVREN_ASSIGN_OR_RETURN(const double t_far, file.Number("t_far"));
    if (t_far <= t_near) return file.Error("t_far", absl::StrCat(t_far), absl::StrCat("must be > t_near = ", t_near));
    camera.set_t_far(t_far);
  }
  return camera;
}

absl::StatusOr<v1::Camera> ReadCameraJson(const std::string& path, int width, int height) {
  DVREN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseCameraJson(text, path, width, height);
}

}  // namespace dvren::ctl
