// Loader of golden renders: small dense cases with float64 answers per pixel from an independent renderer.
// Plain structs, free of engine types, so that tests of the C ABI and of the engine can share them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace dvren::test {

struct GoldenField {
  std::array<std::int64_t, 4> shape{};  // nz, ny, nx, channels
  std::vector<double> values;           // C order
  std::array<double, 3> box_min{}, box_max{};
  bool nearest = false;  // else linear
  bool clamp = false;    // else zero border
  std::array<double, 3> color{1, 1, 1};
};

struct GoldenCamera {
  std::string model;  // "pinhole", "fisheye", "orthographic"
  int width = 0, height = 0;
  double fx = 0, fy = 0, cx = 0, cy = 0;
  double k1 = 0, k2 = 0, k3 = 0, k4 = 0, p1 = 0, p2 = 0;
  double ortho_scale = 0;
  std::array<double, 12> camera_to_world{};  // row-major 3x4, OpenCV axes: the loader has translated OpenGL's
  double t_near = 0, t_far = 0;
};

struct GoldenPixel {
  int x = 0, y = 0;
  std::array<double, 3> rgb{};
  double opacity = 0, depth = 0;
};

struct GoldenCase {
  std::string name;
  GoldenField field;
  GoldenCamera camera;
  double dt = 0, sigma_scale = 1, early_stop = 0;
  std::int64_t max_steps = 0;
  std::array<double, 3> background{};
  std::vector<GoldenPixel> pixels;
};

// DVREN_DATA/../goldens/render.json, or without that variable <source>/../shared/goldens/render.json.
[[nodiscard]] std::string GoldenRenderPath();
// Empty when the file is not there. Throws std::runtime_error, naming the case, for anything it does not understand.
[[nodiscard]] std::vector<GoldenCase> LoadGoldenRenders(const std::string& path);

}  // namespace dvren::test
