#include <catch2/catch.hpp>
#include <cmath>

#include "dataset_fixture.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

const Vec3 kOrigin{0, 0, 0};

// Two training images (RGBA, 4x2) and a test image. 90 degrees wide: the focal length is half the width.
void WriteScene(const TempFolder& folder) {
  MakeFolder(folder / "train");
  MakeFolder(folder / "test");
  const std::string angle = R"({"camera_angle_x":1.5707963267948966,"frames":[)";
  WriteBytes(folder / "transforms_train.json",
             angle + R"({"file_path":"./train/r_0","rotation":0.01,"transform_matrix":)" +
                 LookAtJson({4, 0, 0}, kOrigin) + R"(},{"file_path":"./train/r_1","transform_matrix":)" +
                 LookAtJson({0, 3, 1}, kOrigin) + "}]}");
  WriteBytes(folder / "transforms_test.json",
             angle + R"({"file_path":"./test/r_0","transform_matrix":)" + LookAtJson({0, 0.5, 4}, kOrigin) + "}]}");
  for (unsigned i = 0; i < 3; ++i) {
    const std::string name = i < 2 ? "train/r_" + std::to_string(i) : "test/r_0";
    WritePng8(folder / (name + ".png"), 4, 2, 4, Pattern(4, 2, 4, i));
  }
}

}  // namespace

TEST_CASE("A Blender scene has premultiplied values, OpenCV cameras and its usual box") {
  const TempFolder folder;
  WriteScene(folder);
  DatasetRequest request;
  request.path = folder.path();
  const Dataset dataset = Get(ReadDataset(request));
  REQUIRE(dataset.photos.photos.size() == 2);
  const Photo& photo = dataset.photos.photos[1];
  CHECK(photo.name == "train/r_1.png");
  CHECK(photo.channels == 4);
  CHECK((photo.camera.width == 4 && photo.camera.height == 2));
  CHECK(photo.camera.fx == Approx(2).epsilon(1e-14));
  CHECK(photo.camera.fy == photo.camera.fx);
  CHECK((photo.camera.cx == 2 && photo.camera.cy == 1));
  CHECK(photo.camera.model == PhotoCamera::Model::kPinhole);
  CHECK(Largest(photo.camera.camera_to_world, LookAt({0, 3, 1}, kOrigin)) < 1e-14);
  CHECK(dataset.photos.bounds == Box{{-1.5, -1.5, -1.5}, {1.5, 1.5, 1.5}});
  const auto samples = Pattern(4, 2, 4, 1);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double alpha = samples[i / 4 * 4 + 3] / 255.0, value = samples[i] / 255.0;
    CHECK(photo.values[i] == static_cast<int>(std::lround(65535 * (i % 4 == 3 ? alpha : value * alpha))));
  }
  const DatasetReport& report = dataset.report;
  CHECK((report.format == "blender" && report.split == "train"));
  CHECK((report.images_listed == 2 && report.images == 2 && report.cameras == 1 && report.channels == 4));
  CHECK(report.bytes == 2 * 4 * 2 * 4 * 2);
  CHECK(report.camera_distance == Approx((4 + std::sqrt(10.0)) / 2));
  CHECK(report.camera_positions == Box{{0, 0, 0}, {4, 3, 1}});
  CHECK(report.notes.empty());
}

TEST_CASE("A Blender scene's files are its splits") {
  const TempFolder folder;
  WriteScene(folder);
  DatasetRequest request;
  request.path = folder.path();
  request.split = "test";
  CHECK(Get(ReadDataset(request)).photos.photos.at(0).name == "test/r_0.png");
  request.split = "all";
  CHECK(Get(InspectDataset(request)).images == 3);
  request.split = "val";
  CHECK(Refused(InspectDataset(request).status(), StatusCode::kNotFound, {"transforms_val.json"}));
  request.split = "train";
  request.hold_out_every = 8;
  CHECK(Refused(InspectDataset(request).status(), StatusCode::kInvalidArgument, {"hold_out_every = 8", "own"}));
}

TEST_CASE("The Lego scene reads as NumPy and Pillow read it") {
  const std::string lego = DataFile("nerf_synthetic/lego");
  if (lego.empty()) return;
  DatasetRequest request;
  request.path = lego;
  const Dataset whole = Get(ReadDataset(request));
  request.downscale = 2;
  const Dataset half = Get(ReadDataset(request));
  CHECK((whole.report.images == 100 && whole.report.channels == 4 && whole.report.cameras == 1));
  REQUIRE(half.photos.photos.size() == 100);
  const PhotoCamera& camera = half.photos.photos[0].camera;
  CHECK((camera.width == 400 && camera.height == 400));
  CHECK(camera.fx == Approx(555.5555155968841).epsilon(1e-12));  // NeRF's paper: 1111.11 for 800 pixels
  CHECK((camera.cx == 200 && camera.cy == 200));
  const TempFolder folder;
  const auto dump = [&](const Photo& photo, const char* name) {
    WriteBytes(folder / name, std::string(reinterpret_cast<const char*>(photo.values.data()), 2 * photo.values.size()));
  };
  dump(whole.photos.photos[57], "whole");
  dump(half.photos.photos[57], "half");
  CHECK(whole.photos.photos[57].name == "train/r_57.png");
  Python("numpy, PIL.Image", "lego = '" + lego + "'; folder = '" + folder.path() + R"('
a = numpy.asarray(PIL.Image.open(lego + '/train/r_57.png')).astype(numpy.float64) / 255
a[..., :3] *= a[..., 3:]
whole = numpy.rint(a * 65535)
got = numpy.fromfile(folder + '/whole', '<u2').reshape(800, 800, 4)
assert (got == whole).all(), numpy.abs(got - whole).max()
half = numpy.floor(whole.reshape(400, 2, 400, 2, 4).mean((1, 3)) + 0.5)
got = numpy.fromfile(folder + '/half', '<u2').reshape(400, 400, 4)
assert (got == half).all(), numpy.abs(got - half).max()
)");
}

}  // namespace dvren::io::test
