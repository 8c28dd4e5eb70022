#include "orbit.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace dvren::ctl {
namespace {

v1::Box Box(double low, double high) {
  v1::Box box;
  for (auto* corner : {box.mutable_min(), box.mutable_max()}) {
    const double value = corner == box.mutable_min() ? low : high;
    corner->set_x(value);
    corner->set_y(value);
    corner->set_z(value);
  }
  return box;
}

TEST_CASE("An orbit at azimuth 0 stands on +z and looks back with y up") {
  const v1::Camera camera = OrbitCamera(Box(1, 3), {0, 0, 5, 90}, 200, 100);
  const auto& m = camera.camera_to_world().m();
  REQUIRE(m.size() == 12);
  const double expected[] = {1, 0, 0, 2, 0, -1, 0, 2, 0, 0, -1, 7};
  for (int i = 0; i < 12; ++i) CHECK(m[i] == Approx(expected[i]).margin(1e-15));
  CHECK(camera.pinhole().fx() == Approx(50));
  CHECK(camera.pinhole().fy() == Approx(50));
}

TEST_CASE("Azimuth turns from +z to +x and elevation goes up") {
  const v1::Camera side = OrbitCamera(Box(-1, 1), {90, 0, 4, 40}, 10, 10);
  CHECK(side.camera_to_world().m(3) == Approx(4));
  CHECK(side.camera_to_world().m(11) == Approx(0).margin(1e-12));
  const v1::Camera above = OrbitCamera(Box(-1, 1), {0, 90, 4, 40}, 10, 10);
  CHECK(above.camera_to_world().m(7) == Approx(4));
  for (int i = 0; i < 12; ++i) CHECK(std::isfinite(above.camera_to_world().m(i)));
}

TEST_CASE("The columns of an orbit pose are a right-handed rotation") {
  const v1::Camera camera = OrbitCamera(Box(-1, 1), {33, -21, 0, 40}, 640, 480);
  const auto& m = camera.camera_to_world().m();
  const auto column = [&](int j) { return std::array{m[j], m[4 + j], m[8 + j]}; };
  const auto dot = [](const auto& a, const auto& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; };
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) CHECK(dot(column(i), column(j)) == Approx(i == j ? 1.0 : 0.0).margin(1e-12));
  }
  const auto x = column(0), y = column(1), z = column(2);
  CHECK(x[1] * y[2] - x[2] * y[1] == Approx(z[0]));
}

TEST_CASE("Without a distance the box's sphere fits the narrower side of the image") {
  const double radius = std::sqrt(3.0);
  const v1::Camera wide = OrbitCamera(Box(-1, 1), {0, 0, 0, 40}, 200, 100);
  CHECK(wide.camera_to_world().m(11) == Approx(radius / std::sin(20 * M_PI / 180)));
  const v1::Camera tall = OrbitCamera(Box(-1, 1), {0, 0, 0, 40}, 100, 200);
  CHECK(tall.camera_to_world().m(11) > wide.camera_to_world().m(11));
}

}  // namespace
}  // namespace dvren::ctl
