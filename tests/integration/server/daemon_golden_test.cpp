// Golden fields uploaded to a daemon and rendered by it, against an independent float64 renderer.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <vector>

#include "support/goldens.h"
#include "support/test_daemon.h"

namespace dvren::test {
namespace {

v1::UploadHeader HeaderOf(const GoldenField& golden, const std::string& name, std::size_t bytes) {
  v1::UploadHeader header;
  header.set_display_name(name);
  header.set_total_bytes(bytes);
  header.mutable_options()->set_format(v1::FILE_FORMAT_RAW);
  v1::DenseGridSpec* spec = header.mutable_options()->mutable_dense_grid();
  spec->mutable_shape()->Assign(golden.shape.begin(), golden.shape.end());
  spec->set_dtype(v1::DTYPE_F32);
  spec->set_interp(golden.nearest ? v1::INTERP_NEAREST : v1::INTERP_LINEAR);
  spec->set_border(golden.clamp ? v1::BORDER_CLAMP : v1::BORDER_ZERO);
  const auto set = [](v1::Vec3* to, const std::array<double, 3>& from) {
    to->set_x(from[0]);
    to->set_y(from[1]);
    to->set_z(from[2]);
  };
  set(spec->mutable_box()->mutable_min(), golden.box_min);
  set(spec->mutable_box()->mutable_max(), golden.box_max);
  return header;
}

template <class Lens>
void SetLens(const GoldenCamera& golden, Lens* lens) {
  lens->set_fx(golden.fx);
  lens->set_fy(golden.fy);
  lens->set_cx(golden.cx);
  lens->set_cy(golden.cy);
  lens->set_k1(golden.k1);
  lens->set_k2(golden.k2);
  lens->set_k3(golden.k3);
}

v1::RenderRequest RequestOf(const GoldenCase& golden, const std::string& field, v1::Precision precision) {
  v1::RenderRequest request;
  v1::Instance* instance = request.mutable_scene()->add_instances();
  instance->set_field(field);
  instance->set_sigma_scale(golden.sigma_scale);
  v1::Vec3* color = instance->mutable_constant()->mutable_rgb();
  color->set_x(golden.field.color[0]);
  color->set_y(golden.field.color[1]);
  color->set_z(golden.field.color[2]);
  if (golden.field.shape[3] != 1) instance->clear_color();
  v1::Vec3* background = request.mutable_scene()->mutable_background();
  background->set_x(golden.background[0]);
  background->set_y(golden.background[1]);
  background->set_z(golden.background[2]);
  v1::Camera* camera = request.mutable_camera();
  camera->set_width(golden.camera.width);
  camera->set_height(golden.camera.height);
  if (golden.camera.model == "pinhole") {
    SetLens(golden.camera, camera->mutable_pinhole());
    camera->mutable_pinhole()->set_p1(golden.camera.p1);
    camera->mutable_pinhole()->set_p2(golden.camera.p2);
  } else if (golden.camera.model == "fisheye") {
    SetLens(golden.camera, camera->mutable_fisheye());
    camera->mutable_fisheye()->set_k4(golden.camera.k4);
  } else {
    camera->mutable_orthographic()->set_ortho_scale(golden.camera.ortho_scale);
  }
  // Every other case goes over the wire in OpenGL's axes, which the daemon must translate back.
  const bool opengl = golden.name.size() % 2 == 0;
  camera->set_convention(opengl ? v1::AXIS_CONVENTION_OPENGL : v1::AXIS_CONVENTION_OPENCV);
  for (int i = 0; i < 12; ++i) {
    const bool flipped = opengl && (i % 4 == 1 || i % 4 == 2);
    camera->mutable_camera_to_world()->add_m(flipped ? -golden.camera.camera_to_world[i]
                                                     : golden.camera.camera_to_world[i]);
  }
  camera->set_t_near(golden.camera.t_near);
  if (std::isfinite(golden.camera.t_far)) camera->set_t_far(golden.camera.t_far);
  request.mutable_sampling()->set_dt(golden.dt);
  request.mutable_sampling()->set_max_steps(golden.max_steps);
  request.mutable_sampling()->set_early_stop(golden.early_stop);
  for (const v1::Aov aov : {v1::AOV_RGB, v1::AOV_OPACITY, v1::AOV_DEPTH}) request.add_aovs(aov);
  request.set_precision(precision);
  return request;
}

std::vector<double> Numbers(const std::string& bytes, v1::Precision precision) {
  std::vector<double> numbers;
  if (precision == v1::PRECISION_F64) {
    numbers.resize(bytes.size() / sizeof(double));
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    return numbers;
  }
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  numbers.assign(floats.begin(), floats.end());
  return numbers;
}

TEST_CASE("Golden fields uploaded to a daemon render there as the independent renderer says") {
  const std::vector<GoldenCase> goldens = LoadGoldenRenders(GoldenRenderPath());
  if (goldens.empty()) {
    WARN("SKIPPED: no golden renders at " << GoldenRenderPath() << "; set DVREN_DATA to the data folder beside them");
    return;
  }
  TestDaemon daemon;
  for (const GoldenCase& golden : goldens) {
    std::string name = golden.name;
    std::replace(name.begin(), name.end(), '/', '-');
    const std::vector<float> values(golden.field.values.begin(), golden.field.values.end());
    const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    const UploadResult uploaded = Upload(*daemon, HeaderOf(golden.field, name, bytes.size()), bytes);
    INFO(golden.name);
    REQUIRE(uploaded.status.error_message() == "");
    for (const v1::Precision precision : {v1::PRECISION_F32, v1::PRECISION_F64}) {
      const RenderResult render = Render(*daemon, RequestOf(golden, name, precision));
      REQUIRE(render.status.error_message() == "");
      const std::vector<double> rgb = Numbers(render.image(v1::AOV_RGB), precision);
      const std::vector<double> opacity = Numbers(render.image(v1::AOV_OPACITY), precision);
      const std::vector<double> depth = Numbers(render.image(v1::AOV_DEPTH), precision);
      for (const GoldenPixel& pixel : golden.pixels) {
        const std::size_t i = static_cast<std::size_t>(pixel.y) * static_cast<std::size_t>(golden.camera.width) +
                              static_cast<std::size_t>(pixel.x);
        for (std::size_t c = 0; c < 3; ++c) CHECK(std::abs(rgb[3 * i + c] - pixel.rgb[c]) <= 1e-5);
        CHECK(std::abs(opacity[i] - pixel.opacity) <= 1e-5);
        CHECK(std::abs(depth[i] - pixel.depth) <= 1e-5 * std::max(1.0, pixel.depth));
      }
    }
  }
}

}  // namespace
}  // namespace dvren::test
