#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "dataset_fixture.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

struct Image {
  std::array<double, 4> q;
  Vec3 t;
  std::uint32_t camera;
  std::string name;
};

// 120 degrees about (1, 1, 1): x -> y -> z -> x. The camera stands in -R^T t.
const std::array<double, 4> kTurn{0.5, 0.5, 0.5, 0.5};
const std::vector<Image> kImages{{kTurn, {1, 2, 3}, 7, "b.png"}, {{1, 0, 0, 0}, {0, 0, 4}, 9, "a.png"}};

// Images 8x6 for kImages.
void WriteImages(const TempFolder& folder) {
  MakeFolder(folder / "images");
  for (const char* name : {"a.png", "b.png"}) {
    WritePng8(folder / ("images/" + std::string(name)), 8, 6, 3, Pattern(8, 6, 3, static_cast<unsigned>(name[0])));
  }
}

std::string TextCameras() {
  return "# Camera list\n7 OPENCV 8 6 10 11 3.5 3.25 0.1 0.2 0.003 0.004\n\n9 SIMPLE_RADIAL 8 6 12 4 3 0.05\n";
}
std::string TextImages(const std::vector<Image>& images) {
  std::string text = "# Image list\n";
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Image& m = images[i];
    char line[300];
    std::snprintf(line, sizeof line, "%zu %.17g %.17g %.17g %.17g %.17g %.17g %.17g %u %s\n", i + 1, m.q[0], m.q[1],
                  m.q[2], m.q[3], m.t[0], m.t[1], m.t[2], m.camera, m.name.c_str());
    text += line + std::string(i == 0 ? "1.5 2.5 -1 3 4 17\n" : "\n");  // points, or none
  }
  return text;
}

template <class T>
void Put(std::string* to, const T& value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string BinaryCameras() {
  std::string bytes;
  Put(&bytes, std::uint64_t{2});
  Put(&bytes, std::uint32_t{7});
  Put(&bytes, std::int32_t{4});
  Put(&bytes, std::uint64_t{8});
  Put(&bytes, std::uint64_t{6});
  for (const double p : {10.0, 11.0, 3.5, 3.25, 0.1, 0.2, 0.003, 0.004}) Put(&bytes, p);
  Put(&bytes, std::uint32_t{9});
  Put(&bytes, std::int32_t{2});
  Put(&bytes, std::uint64_t{8});
  Put(&bytes, std::uint64_t{6});
  for (const double p : {12.0, 4.0, 3.0, 0.05}) Put(&bytes, p);
  return bytes;
}
std::string BinaryImages(const std::vector<Image>& images) {
  std::string bytes;
  Put(&bytes, std::uint64_t{images.size()});
  for (std::uint32_t i = 0; i < images.size(); ++i) {
    Put(&bytes, i + 1);
    Put(&bytes, images[i].q);
    Put(&bytes, images[i].t);
    Put(&bytes, images[i].camera);
    bytes += images[i].name + '\0';
    Put(&bytes, std::uint64_t{i});  // points
    for (std::uint32_t k = 0; k < i; ++k) bytes += std::string(24, '\x40');
  }
  return bytes;
}

absl::StatusOr<Dataset> Read(const TempFolder& folder) {
  DatasetRequest request;
  request.path = folder.path();
  return ReadDataset(request);
}

// A text model in the folder itself with these files.
absl::Status StatusOf(const std::string& cameras, const std::string& images) {
  const TempFolder folder;
  WriteImages(folder);
  WriteBytes(folder / "cameras.txt", cameras);
  WriteBytes(folder / "images.txt", images);
  return Read(folder).status();
}

}  // namespace

TEST_CASE("COLMAP's text and binary models give the same cameras, images by name") {
  std::vector<Dataset> datasets;
  for (const std::string model : {"sparse/0", "sparse", ""}) {
    for (const bool binary : {true, false}) {
      const TempFolder folder;
      WriteImages(folder);
      MakeFolder(folder / model);
      const std::string base = folder / model + "/";
      WriteBytes(base + (binary ? "cameras.bin" : "cameras.txt"), binary ? BinaryCameras() : TextCameras());
      WriteBytes(base + (binary ? "images.bin" : "images.txt"), binary ? BinaryImages(kImages) : TextImages(kImages));
      datasets.push_back(Get(Read(folder)));
    }
  }
  for (const Dataset& dataset : datasets) {
    CHECK(dataset.report.format == "colmap");
    REQUIRE(dataset.photos.photos.size() == 2);
    const Photo &a = dataset.photos.photos[0], &b = dataset.photos.photos[1];
    CHECK((a.name == "images/a.png" && b.name == "images/b.png"));
    CHECK(a.values[0] == 257 * Pattern(8, 6, 3, 'a')[0]);
    CHECK((b.camera.fx == 10 && b.camera.fy == 11 && b.camera.cx == 3.5 && b.camera.cy == 3.25));
    CHECK(b.camera.distortion == std::array<double, 5>{0.1, 0.2, 0.003, 0.004, 0});
    CHECK((a.camera.fx == 12 && a.camera.fy == 12 && a.camera.cx == 4 && a.camera.cy == 3));
    CHECK(a.camera.distortion == std::array<double, 5>{0.05, 0, 0, 0, 0});
    Affine turned;  // world to camera takes x to y, y to z, z to x: its transpose, and -R^T (1, 2, 3) = -(2, 3, 1)
    turned.m = {0, 1, 0, -2, 0, 0, 1, -3, 1, 0, 0, -1};
    CHECK(Largest(b.camera.camera_to_world, turned) < 1e-15);
    Affine straight;
    straight.m[11] = -4;
    CHECK(Largest(a.camera.camera_to_world, straight) < 1e-15);
    CHECK(dataset.report.bounds == datasets[0].report.bounds);
  }
}

TEST_CASE("Every supported COLMAP model has its parameters in their places, others are refused by name") {
  struct Model {
    const char* line;
    PhotoCamera::Model model;
    std::array<double, 4> f;
    std::array<double, 5> distortion;
  };
  const auto pinhole = PhotoCamera::Model::kPinhole;
  for (const Model& model :
       {Model{"SIMPLE_PINHOLE 8 6 10 4 3", pinhole, {10, 10, 4, 3}, {}},
        Model{"PINHOLE 8 6 10 11 4 3", pinhole, {10, 11, 4, 3}, {}},
        Model{"SIMPLE_RADIAL 8 6 10 4 3 0.5", pinhole, {10, 10, 4, 3}, {0.5}},
        Model{"RADIAL 8 6 10 4 3 0.5 0.25", pinhole, {10, 10, 4, 3}, {0.5, 0.25}},
        Model{"OPENCV 8 6 10 11 4 3 0.5 0.25 0.1 0.2", pinhole, {10, 11, 4, 3}, {0.5, 0.25, 0.1, 0.2}},
        Model{"OPENCV_FISHEYE 8 6 10 11 4 3 0.5 0.25 0.1 0.2",
              PhotoCamera::Model::kFisheye,
              {10, 11, 4, 3},
              {0.5, 0.25, 0.1, 0.2}}}) {
    const TempFolder folder;
    WriteImages(folder);
    WriteBytes(folder / "cameras.txt", std::string("1 ") + model.line + "\n");
    WriteBytes(folder / "images.txt", TextImages({{kTurn, {0, 0, 0}, 1, "a.png"}}));
    const PhotoCamera camera = Get(Read(folder)).photos.photos.at(0).camera;
    CHECK(camera.model == model.model);
    CHECK(std::array<double, 4>{camera.fx, camera.fy, camera.cx, camera.cy} == model.f);
    CHECK(camera.distortion == model.distortion);
  }
  CHECK(Refused(StatusOf("1 FOV 8 6 10 11 4 3 0.5\n", TextImages(kImages)), StatusCode::kInvalidArgument,
                {"cameras.txt: line 1", "FOV", "OPENCV_FISHEYE", "undistort"}));
}

TEST_CASE("Errors of COLMAP's text name file, line and value") {
  const auto refused = [](const std::string& cameras, const std::string& images,
                          std::initializer_list<const char*> parts) {
    return Refused(StatusOf(cameras, images), StatusCode::kInvalidArgument, parts);
  };
  const std::string good = TextImages(kImages);
  CHECK(refused("7 PINHOLE 8 6 10 11 4\n", good, {"cameras.txt: line 1", "3 parameters", "PINHOLE has 4"}));
  CHECK(refused("7 PINHOLE 8 six 10 11 4 3\n", good, {"line 1: HEIGHT = six"}));
  CHECK(refused("7 PINHOLE 8 0 10 11 4 3\n", good, {"8x0"}));
  CHECK(refused("7 PINHOLE\n", good, {"CAMERA_ID MODEL"}));
  CHECK(refused(TextCameras() + TextCameras(), good, {"camera 7", "twice"}));
  CHECK(refused("7 PINHOLE 8 6 nan 11 4 3\n", TextImages({kImages[0]}), {"images.txt: line 2", "fx = nan"}));
  CHECK(refused("7 PINHOLE 8 6 -10 11 4 3\n", TextImages({kImages[0]}), {"fx = -10"}));
  CHECK(refused("7 PINHOLE 16 6 10 11 4 3\n", TextImages({kImages[0]}), {"images/b.png", "8x6", "16x6"}));
  CHECK(refused(TextCameras(), "1 1 0 0 0 0 0 0 7\n\n", {"images.txt: line 1", "IMAGE_ID"}));
  CHECK(refused(TextCameras(), "1 1 0 0 x 0 0 0 7 a.png\n\n", {"Q = x"}));
  CHECK(refused(TextCameras(), TextImages({{kTurn, {0, 0, 0}, 8, "a.png"}}), {"camera = 8"}));
  CHECK(refused(TextCameras(), TextImages({{{0, 0, 0, 0}, {0, 0, 0}, 7, "a.png"}}), {"rotation", "no rotation"}));
  CHECK(refused(TextCameras(), TextImages({{{1, 1, 0, 0}, {0, 0, 0}, 7, "a.png"}}), {"no rotation"}));
  CHECK(refused(TextCameras(), TextImages({{kTurn, {INFINITY, 0, 0}, 7, "a.png"}}), {"pose"}));
  CHECK(refused(TextCameras(), TextImages({kImages[0], kImages[0]}), {"images/b.png", "twice"}));
  CHECK(refused(TextCameras(), "# nothing\n", {"images.txt", "at least one"}));
  CHECK(Refused(StatusOf(TextCameras(), TextImages({{kTurn, {0, 0, 0}, 7, "../a.png"}})), StatusCode::kPermissionDenied,
                {"../a.png"}));
  CHECK(Refused(StatusOf(TextCameras(), TextImages({{kTurn, {0, 0, 0}, 7, "c d.png"}})), StatusCode::kNotFound,
                {"1 of 1", "images/c d.png"}));
}

TEST_CASE("COLMAP's binary files cut short or damaged are errors or datasets, never crashes") {
  const TempFolder folder;
  WriteImages(folder);
  const std::string cameras = BinaryCameras(), images = BinaryImages(kImages);
  const auto read = [&](const std::string& c, const std::string& i) {
    WriteBytes(folder / "cameras.bin", c);
    WriteBytes(folder / "images.bin", i);
    DatasetRequest request;
    request.path = folder.path();
    return InspectDataset(request).status();
  };
  CHECK(read(cameras, images).ok());
  for (std::size_t n = 0; n < cameras.size(); ++n) CHECK_FALSE(read(cameras.substr(0, n), images).ok());
  for (std::size_t n = 0; n < images.size(); ++n) CHECK_FALSE(read(cameras, images.substr(0, n)).ok());
  int refused = 0;
  for (std::size_t bit = 0; bit < images.size() * 8; bit += 3) {
    std::string bytes = images;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    refused += read(cameras, bytes).ok() ? 0 : 1;
  }
  CHECK(refused > 0);
  std::string many = images;
  many[6] = 0x7f;
  CHECK(Refused(read(cameras, many), StatusCode::kInvalidArgument, {"images.bin", "entries"}));
  std::string unknown = cameras;
  unknown[12] = 99;
  CHECK(Refused(read(unknown, images), StatusCode::kInvalidArgument, {"cameras.bin: camera number 0", "model = 99"}));
  unknown[12] = 6;
  CHECK(Refused(read(unknown, images), StatusCode::kInvalidArgument, {"FULL_OPENCV"}));
}

}  // namespace dvren::io::test
