#include "dvren/train/synthetic_photos.h"

#include <cmath>
#include <utility>

namespace dvren {
namespace {

constexpr int kViews = 30, kEdge = 64, kTestEvery = 5;
constexpr double kDistance = 4, kHalfBox = 1;
constexpr double kPi = 3.14159265358979323846;
constexpr double kFieldOfView = 40 * kPi / 180;
constexpr double kWhite = 65535;

Vec3 Cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

Vec3 Unit(const Vec3& a) {
  const double length = std::hypot(a[0], a[1], a[2]);
  return {a[0] / length, a[1] / length, a[2] / length};
}

// View i of a Fibonacci sphere, which looks at the origin with +y up; none is exactly above or below.
io::PhotoCamera CameraOf(int view) {
  const double golden = kPi * (3 - std::sqrt(5.0));
  const double y = 1 - 2 * (view + 0.5) / kViews, radius = std::sqrt(1 - y * y);
  const Vec3 away{radius * std::cos(golden * view), y, radius * std::sin(golden * view)};
  const Vec3 forward{-away[0], -away[1], -away[2]};
  const Vec3 right = Unit(Cross(forward, {0, 1, 0}));
  const Vec3 down = Cross(forward, right);
  io::PhotoCamera camera;
  camera.width = camera.height = kEdge;
  camera.fx = camera.fy = kEdge / (2 * std::tan(kFieldOfView / 2));
  camera.cx = camera.cy = kEdge / 2.0;
  for (int i = 0; i < 3; ++i) {
    const auto row = static_cast<std::size_t>(4 * i);
    const auto axis = static_cast<std::size_t>(i);
    camera.camera_to_world.m[row] = right[axis];
    camera.camera_to_world.m[row + 1] = down[axis];
    camera.camera_to_world.m[row + 2] = forward[axis];
    camera.camera_to_world.m[row + 3] = kDistance * away[axis];
  }
  return camera;
}

io::Photo PhotoOf(int view, const GaussianBlob& blob) {
  io::Photo photo;
  photo.name = absl::StrCat("gaussian/view_", view < 10 ? "0" : "", view);
  photo.camera = CameraOf(view);
  photo.channels = 4;
  photo.values.reserve(static_cast<std::size_t>(kEdge) * kEdge * 4);
  for (int y = 0; y < kEdge; ++y) {
    for (int x = 0; x < kEdge; ++x) {
      // All cameras are as far away and look at the origin: the distance of the ray from it needs no pose.
      const double u = (x + 0.5 - photo.camera.cx) / photo.camera.fx, v = (y + 0.5 - photo.camera.cy) / photo.camera.fy;
      const double sine = std::sqrt((u * u + v * v) / (1 + u * u + v * v));
      const double opacity = 1 - blob.Transmittance(kDistance * sine);
      for (const double color : blob.color) {
        photo.values.push_back(static_cast<std::uint16_t>(std::lround(kWhite * opacity * color)));
      }
      photo.values.push_back(static_cast<std::uint16_t>(std::lround(kWhite * opacity)));
    }
  }
  return photo;
}

}  // namespace

double GaussianBlob::Transmittance(double distance) const {
  const double line = std::exp(-distance * distance / (2 * deviation * deviation));
  return std::exp(-peak * deviation * std::sqrt(2 * kPi) * line);
}

absl::StatusOr<io::Dataset> MakeGaussianPhotos(const io::DatasetRequest& request, const GaussianBlob& blob) {
  const bool train = request.split == "train" || request.split == "all";
  const bool test = request.split == "test" || request.split == "all";
  if (!train && !test) return InvalidField("dataset.split", request.split, "must be train, test or all");
  io::Dataset dataset;
  dataset.photos.bounds = Box{{-kHalfBox, -kHalfBox, -kHalfBox}, {kHalfBox, kHalfBox, kHalfBox}};
  io::DatasetReport& report = dataset.report;
  for (int view = 0; view < kViews; ++view) {
    if (view % kTestEvery == 0 ? !test : !train) continue;
    io::Photo photo = PhotoOf(view, blob);
    DVREN_RETURN_IF_ERROR(io::ScaleDown(request.downscale, &photo));
    report.bytes += photo.values.size() * sizeof(photo.values[0]);
    dataset.photos.photos.push_back(std::move(photo));
  }
  report.format = "synthetic";
  report.split = request.split;
  report.images = report.images_listed = static_cast<std::int64_t>(dataset.photos.photos.size());
  const io::PhotoCamera& first = dataset.photos.photos.front().camera;
  report.sizes = {{first.width, first.height, report.images}};
  report.cameras = 1;
  report.channels = 4;
  report.camera_positions = Box{{-kDistance, -kDistance, -kDistance}, {kDistance, kDistance, kDistance}};
  report.camera_distance = kDistance;
  report.bounds = dataset.photos.bounds;
  return dataset;
}

}  // namespace dvren
