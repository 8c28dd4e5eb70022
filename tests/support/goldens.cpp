#include "support/goldens.h"

#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace dvren::test {
namespace {

using nlohmann::json;

GoldenField FieldOf(const json& j) {
  GoldenField field;
  field.shape = j.at("shape").get<std::array<std::int64_t, 4>>();
  field.values = j.at("values").get<std::vector<double>>();
  field.box_min = j.at("box_min").get<std::array<double, 3>>();
  field.box_max = j.at("box_max").get<std::array<double, 3>>();
  field.nearest = j.at("interp") == "nearest";
  field.clamp = j.at("border") == "clamp";
  field.color = j.at("color").get<std::array<double, 3>>();
  const std::int64_t values = field.shape[0] * field.shape[1] * field.shape[2] * field.shape[3];
  if (values != static_cast<std::int64_t>(field.values.size()))
    throw std::runtime_error("field.values: not of its shape");
  return field;
}

GoldenCamera CameraOf(const json& j) {
  GoldenCamera camera;
  camera.model = j.at("model");
  camera.width = j.at("width");
  camera.height = j.at("height");
  camera.fx = j.value("fx", 0.0);
  camera.fy = j.value("fy", 0.0);
  camera.cx = j.value("cx", 0.5 * camera.width);
  camera.cy = j.value("cy", 0.5 * camera.height);
  camera.ortho_scale = j.value("ortho_scale", 0.0);
  camera.t_near = j.value("t_near", 0.0);
  camera.t_far = j.value("t_far", std::numeric_limits<double>::infinity());
  const json distortion = j.value("distortion", json::object());
  camera.k1 = distortion.value("k1", 0.0);
  camera.k2 = distortion.value("k2", 0.0);
  camera.k3 = distortion.value("k3", 0.0);
  camera.k4 = distortion.value("k4", 0.0);
  camera.p1 = distortion.value("p1", 0.0);
  camera.p2 = distortion.value("p2", 0.0);
  const auto rows = j.at("camera_to_world").get<std::array<std::array<double, 4>, 3>>();
  // OpenGL looks along -z with y up: its y and z columns point the other way.
  const double flip = j.at("convention") == "opengl" ? -1.0 : 1.0;
  const double sign[4] = {1, flip, flip, 1};
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 4; ++c) camera.camera_to_world[4 * r + c] = sign[c] * rows[r][c];
  }
  return camera;
}

GoldenCase CaseOf(const json& j) {
  GoldenCase golden;
  golden.field = FieldOf(j.at("field"));
  golden.camera = CameraOf(j.at("camera"));
  const json& settings = j.at("settings");
  if (settings.at("sampling") != "fixed") throw std::runtime_error("settings.sampling: only fixed is known");
  golden.dt = settings.at("dt");
  golden.sigma_scale = settings.at("sigma_scale");
  golden.early_stop = settings.at("early_stop");
  golden.max_steps = settings.at("max_steps");
  golden.background = settings.at("background").get<std::array<double, 3>>();
  for (const json& p : j.at("pixels")) {
    golden.pixels.push_back(
        {p.at("x"), p.at("y"), p.at("rgb").get<std::array<double, 3>>(), p.at("opacity"), p.at("depth")});
  }
  return golden;
}

}  // namespace

std::string GoldenRenderPath() {
  if (const char* data = std::getenv("DVREN_DATA"); data != nullptr && *data != '\0') {
    return std::string(data) + "/../goldens/render.json";
  }
  return DVREN_SOURCE_DIR "/../shared/goldens/render.json";
}

std::vector<GoldenCase> LoadGoldenRenders(const std::string& path) {
  std::ifstream file(path);
  if (!file) return {};
  std::vector<GoldenCase> goldens;
  const json document = json::parse(file);
  for (const json& j : document.at("cases")) {
    const std::string name = j.at("name");
    try {
      goldens.push_back(CaseOf(j));
    } catch (const std::exception& e) {
      throw std::runtime_error(path + ": case \"" + name + "\": " + e.what());
    }
    goldens.back().name = name;
  }
  if (goldens.empty()) throw std::runtime_error(path + ": holds no cases");
  return goldens;
}

}  // namespace dvren::test
