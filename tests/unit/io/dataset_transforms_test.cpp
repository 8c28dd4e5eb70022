#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "dataset_fixture.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

absl::StatusOr<Dataset> Read(const TempFolder& folder) {
  DatasetRequest request;
  request.path = folder.path();
  return ReadDataset(request);
}

// The status of reading a transforms.json with these keys.
absl::Status StatusOf(const std::string& top, const std::string& frame = "") {
  const TempFolder folder;
  WriteTransforms(folder, top, frame);
  return Read(folder).status();
}

absl::Status StatusOfText(const std::string& text) {
  const TempFolder folder;
  WriteTransforms(folder, kFocal);
  WriteBytes(folder / "transforms.json", text);
  return Read(folder).status();
}

std::string Frame(const std::string& matrix, const std::string& file = "images/0.png") {
  return std::string("{") + kFocal + R"("frames":[{"file_path":")" + file + R"(","transform_matrix":)" + matrix + "}]}";
}

constexpr char kUnit[] = "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]";

}  // namespace

TEST_CASE("transforms.json gives intrinsics, distortion and OpenCV poses, a frame's own before the file's") {
  const TempFolder folder;
  WriteTransforms(folder, std::string(kFocal) + R"("w":8.0,"h":6,"k1":0.1,"k2":-0.02,"p1":0.003,"p2":0.004,"k3":0.5,)",
                  R"("fl_x":20,"cx":4.5,"k1":0.2,)");
  const Dataset dataset = Get(Read(folder));
  CHECK(dataset.report.format == "transforms");
  REQUIRE(dataset.photos.photos.size() == 4);
  const PhotoCamera& own = dataset.photos.photos[0].camera;
  const PhotoCamera& other = dataset.photos.photos[1].camera;
  CHECK((own.fx == 20 && own.fy == 11 && own.cx == 4.5 && own.cy == 3.25 && own.width == 8 && own.height == 6));
  CHECK((other.fx == 10 && other.fy == 11 && other.cx == 3.5 && other.cy == 3.25));
  CHECK(own.distortion == std::array<double, 5>{0.2, -0.02, 0.003, 0.004, 0.5});
  CHECK(other.distortion == std::array<double, 5>{0.1, -0.02, 0.003, 0.004, 0.5});
  CHECK(Largest(own.camera_to_world, LookAt({2.2, 2, 4.6}, {1, 2, 3})) < 1e-14);
  CHECK(dataset.report.cameras == 2);
  CHECK(dataset.report.channels == 3);
  const auto samples = Pattern(8, 6, 3, 2);
  for (std::size_t i = 0; i < samples.size(); ++i) CHECK(dataset.photos.photos[2].values[i] == 257 * samples[i]);
}

TEST_CASE("The box around what cameras look at is centred where their axes meet") {
  const TempFolder folder;
  WriteTransforms(folder, kFocal);
  const DatasetReport report = Get(Read(folder)).report;
  for (std::size_t i = 0; i < 3; ++i) {  // the axes meet in (1, 2, 3), 2 from each camera
    CHECK(report.bounds.min[i] == Approx(static_cast<double>(i) - 1).margin(1e-9));
    CHECK(report.bounds.max[i] == Approx(static_cast<double>(i) + 3).margin(1e-9));
  }
  CHECK(report.camera_distance == Approx(2));
}

TEST_CASE("Where optical axes do not meet, the box lies around the cameras and a note says so") {
  const TempFolder folder;
  WriteTransforms(folder, kFocal);
  WriteBytes(folder / "transforms.json", Frame("[[1,0,0,5],[0,1,0,6],[0,0,1,7],[0,0,0,1]]"));
  const DatasetReport report = Get(Read(folder)).report;
  CHECK(report.bounds == Box{{4, 5, 6}, {6, 7, 8}});
  REQUIRE(report.notes.size() == 1);
  CHECK_THAT(report.notes[0], Catch::Contains("do not meet"));
}

TEST_CASE("A fisheye camera and angles of view are read") {
  const TempFolder folder;
  WriteTransforms(folder,
                  std::string(kFocal) + R"("camera_model":"OPENCV_FISHEYE","k1":0.1,"k2":0.2,"k3":0.3,"k4":0.4,)",
                  R"("camera_model":"OPENCV","k4":0,"camera_angle_x":1.5707963267948966,"camera_angle_y":1.0,)");
  const Dataset dataset = Get(Read(folder));
  const PhotoCamera& fisheye = dataset.photos.photos[1].camera;
  CHECK(fisheye.model == PhotoCamera::Model::kFisheye);
  CHECK(fisheye.distortion == std::array<double, 5>{0.1, 0.2, 0.3, 0.4, 0});
  const PhotoCamera& pinhole = dataset.photos.photos[0].camera;
  CHECK(pinhole.model == PhotoCamera::Model::kPinhole);
  CHECK(pinhole.distortion == std::array<double, 5>{0.1, 0.2, 0, 0, 0.3});
  CHECK(pinhole.fx == Approx(4).epsilon(1e-12));  // 90 degrees over 8 pixels
  CHECK(pinhole.fy == Approx(3 / std::tan(0.5)).epsilon(1e-12));
  CHECK(Refused(StatusOf(std::string(kFocal) + R"("is_fisheye":true,"p1":0.1,)"), StatusCode::kInvalidArgument,
                {"transforms.json: p1 = 0.1"}));
  CHECK(Refused(StatusOf(std::string(kFocal) + R"("camera_model":"EQUIRECTANGULAR",)"), StatusCode::kInvalidArgument,
                {"camera_model = \"EQUIRECTANGULAR\"", "OPENCV_FISHEYE"}));
  CHECK(Refused(StatusOf(std::string(kFocal) + R"("camera_model":"PINHOLE","k1":0.1,)"), StatusCode::kInvalidArgument,
                {"k1 = 0.1", "must be 0"}));
  CHECK(Refused(StatusOf(std::string(kFocal) + R"("k4":0.1,)"), StatusCode::kInvalidArgument, {"k4 = 0.1"}));
  CHECK(
      Refused(StatusOf(R"("camera_angle_x":1,"is_fisheye":true,)"), StatusCode::kInvalidArgument, {"fl_x is missing"}));
}

TEST_CASE("Every n-th image is held out, or the file's own splits hold") {
  const TempFolder folder;
  WriteTransforms(folder, kFocal);
  DatasetRequest request;
  request.path = folder.path();
  request.hold_out_every = 3;
  const auto names = [&](const char* split) {
    request.split = split;
    std::vector<std::string> found;
    for (const Photo& photo : Get(ReadDataset(request)).photos.photos) found.push_back(photo.name);
    return found;
  };
  CHECK(names("test") == std::vector<std::string>{"images/0.png", "images/3.png"});
  CHECK(names("train") == std::vector<std::string>{"images/1.png", "images/2.png"});
  CHECK(names("all").size() == 4);
  request.split = "val";
  CHECK(Refused(ReadDataset(request).status(), StatusCode::kNotFound, {"split = val"}));
  request.hold_out_every = 0;
  request.split = "test";
  CHECK(Refused(ReadDataset(request).status(), StatusCode::kInvalidArgument, {"split = test", "hold_out_every"}));
  WriteTransforms(folder,
                  std::string(kFocal) +
                      R"("train_filenames":["./images/1.png","images/3.png"],"test_filenames":["images/0.png"],)");
  CHECK(names("train") == std::vector<std::string>{"images/1.png", "images/3.png"});
  CHECK(names("test") == std::vector<std::string>{"images/0.png"});
  CHECK(Get(InspectDataset(request)).notes == std::vector<std::string>{"1 images of transforms.json are in no split"});
  WriteTransforms(folder, std::string(kFocal) + R"("train_filenames":["images/9.png"],)");
  CHECK(Refused(ReadDataset(request).status(), StatusCode::kInvalidArgument, {"train_filenames", "images/9.png"}));
}

TEST_CASE("Poses that are rounded are projected, others refused") {
  const TempFolder folder;
  WriteTransforms(folder, kFocal);
  WriteBytes(folder / "transforms.json", Frame("[[1,4e-4,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]"));
  const Dataset dataset = Get(Read(folder));
  CHECK(dataset.report.rotation_error == Approx(4e-4));
  CHECK_THAT(dataset.report.notes.at(1), Catch::Contains("0.0004"));
  // The rotation nearest to a shear by e turns by e / 2 (polar factor of [[1, e], [0, 1]]: tan(angle) = e / 2).
  const auto& m = dataset.photos.photos[0].camera.camera_to_world.m;
  const double angle = std::atan(2e-4);
  CHECK(m[0] == Approx(std::cos(angle)).epsilon(1e-14));
  CHECK(m[1] == Approx(-std::sin(angle)).epsilon(1e-12));  // OpenCV's y: negated
  CHECK(m[4] == Approx(-std::sin(angle)).epsilon(1e-12));
  const auto refused = [](const char* matrix, std::initializer_list<const char*> parts) {
    return Refused(StatusOfText(Frame(matrix)), StatusCode::kInvalidArgument, parts);
  };
  CHECK(
      refused("[[1,4e-3,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]", {"frames[0].transform_matrix", "no rotation", "0.004"}));
  CHECK(refused("[[2,0,0,0],[0,2,0,0],[0,0,2,0],[0,0,0,1]]", {"no rotation"}));
  CHECK(refused("[[0,0,0,0],[0,0,0,0],[0,0,0,0],[0,0,0,1]]", {"no rotation"}));
  CHECK(refused("[[1,0,0,0],[0,1,0,0],[0,0,-1,0],[0,0,0,1]]", {"reflection"}));
  CHECK(refused("[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,1,1]]", {"transform_matrix[3]", "0, 0, 0, 1"}));
  CHECK(refused("[[1,0,0],[0,1,0],[0,0,1]]", {"transform_matrix[0]", "4 numbers"}));
  CHECK(refused("[[1,0,0,\"0\"],[0,1,0,0],[0,0,1,0]]", {"transform_matrix[0][3] = \"0\"", "number"}));
  CHECK(refused("3", {"transform_matrix = 3", "rows"}));
}

TEST_CASE("Bad numbers and missing keys of transforms.json are refused by name") {
  const auto refused = [](const std::string& top, std::initializer_list<const char*> parts) {
    return Refused(StatusOf(top), StatusCode::kInvalidArgument, parts);
  };
  CHECK(refused(R"("fl_y":10,)", {"frames[0]", "fl_x", "camera_angle_x", "missing"}));
  CHECK(refused(R"("fl_x":0,)", {"fx = 0", "> 0"}));
  CHECK(refused(R"("fl_x":-10,)", {"fx = -10"}));
  CHECK(refused(R"("fl_x":10,"fl_y":-1,)", {"fy = -1"}));
  CHECK(refused(R"("fl_x":"10",)", {"transforms.json: fl_x = \"10\"", "number"}));
  CHECK(refused(R"("fl_x":null,)", {"fl_x = null"}));
  CHECK(refused(R"("fl_x":NaN,)", {"transforms.json", "not JSON", "NaN"}));
  CHECK(refused(R"("fl_x":1e999,)", {"transforms.json", "not JSON", "1e999"}));
  CHECK(refused(R"("camera_angle_x":3.2,)", {"camera_angle_x = 3.2"}));
  CHECK(refused(R"("fl_x":1,"w":8.5,)", {"w = 8.5", "whole"}));
  CHECK(refused(R"("fl_x":1,"h":0,)", {"h = 0"}));
  CHECK(refused(R"("fl_x":1,"w":16,)", {"images/0.png", "8x6", "16x6"}));
  CHECK(refused(R"("fl_x":1,"fl_x":2,)", {"fl_x", "twice"}));
  CHECK(Refused(StatusOfText(R"({"fl_x":1})"), StatusCode::kInvalidArgument, {"frames is missing"}));
  CHECK(Refused(StatusOfText(R"({"fl_x":1,"frames":[]})"), StatusCode::kInvalidArgument, {"frames", "at least one"}));
  CHECK(Refused(StatusOfText(R"({"fl_x":1,"frames":[3]})"), StatusCode::kInvalidArgument, {"frames[0] = 3"}));
  CHECK(Refused(StatusOfText(R"({"fl_x":1,"frames":[{}]})"), StatusCode::kInvalidArgument, {"file_path is missing"}));
  CHECK(Refused(StatusOfText(R"({"fl_x":1,"frames":[{"file_path":"a.png"}]})"), StatusCode::kInvalidArgument,
                {"transform_matrix is missing"}));
  CHECK(Refused(StatusOfText(R"({"fl_x":1,"frames":[{"file_path":7}]})"), StatusCode::kInvalidArgument,
                {"file_path = 7"}));
  CHECK(Refused(StatusOfText("[1]"), StatusCode::kInvalidArgument, {"object"}));
  CHECK(Refused(StatusOfText(""), StatusCode::kInvalidArgument, {"not JSON"}));
  CHECK(Refused(StatusOfText(std::string(3000000, '[')), StatusCode::kInvalidArgument, {"transforms.json"}));
  CHECK(Refused(StatusOfText("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}"),
                StatusCode::kInvalidArgument, {"nested"}));
}

TEST_CASE("Paths that lead out of a dataset are refused") {
  const auto refused = [](const char* path, std::initializer_list<const char*> parts) {
    return Refused(StatusOfText(Frame(kUnit, path)), StatusCode::kPermissionDenied, parts);
  };
  CHECK(refused("../secret.png", {"frames[0].file_path", "../secret.png", "below"}));
  CHECK(refused("images/../../secret.png", {".."}));
  CHECK(refused("/etc/secret.png", {"/etc/secret.png", "below"}));
  CHECK(refused("..\\\\secret.png", {"below"}));
  CHECK(Refused(StatusOfText(Frame(kUnit, "a\\u0007b.png")), StatusCode::kInvalidArgument, {"a?b.png", "printable"}));
  CHECK(Refused(StatusOfText(Frame(kUnit, "")), StatusCode::kInvalidArgument, {"must name an image"}));
  const TempFolder folder, elsewhere;
  WriteTransforms(folder, kFocal);
  WritePng8(elsewhere / "a.png", 8, 6, 3, Pattern(8, 6, 3, 1));
  std::filesystem::remove(folder / "images/2.png");
  std::filesystem::create_symlink(elsewhere / "a.png", folder / "images/2.png");
  CHECK(Refused(Read(folder).status(), StatusCode::kPermissionDenied, {"images/2.png", "symbolic link"}));
  std::filesystem::remove(folder / "images/2.png");
  std::filesystem::create_symlink("1.png", folder / "images/2.png");  // the same picture again
  CHECK(Refused(Read(folder).status(), StatusCode::kInvalidArgument, {"frames[2]", "images/2.png", "twice"}));
}

TEST_CASE("Missing images are an error that counts them, or are left out") {
  const TempFolder folder;
  WriteTransforms(folder, kFocal);
  std::filesystem::remove(folder / "images/1.png");
  std::filesystem::remove(folder / "images/3.png");
  DatasetRequest request;
  request.path = folder.path();
  CHECK(Refused(ReadDataset(request).status(), StatusCode::kNotFound,
                {"2 of 4", "the first images/1.png", "missing_images: skip"}));
  request.skip_missing = true;
  const Dataset dataset = Get(ReadDataset(request));
  CHECK((dataset.report.images_listed == 4 && dataset.report.images == 2));
  CHECK(dataset.report.missing == std::vector<std::string>{"images/1.png", "images/3.png"});
  CHECK(dataset.photos.photos.at(1).name == "images/2.png");
  CHECK_THAT(dataset.report.notes.at(0), Catch::Contains("2 of 4"));
  std::filesystem::remove_all(folder / "images");
  CHECK(Refused(ReadDataset(request).status(), StatusCode::kNotFound, {"4 of 4"}));
}

TEST_CASE("The fox is read: 50 of its 67 images are there") {
  const std::string fox = DataFile("fox");
  if (fox.empty()) return;
  DatasetRequest request;
  request.path = fox;
  CHECK(Refused(InspectDataset(request).status(), StatusCode::kNotFound, {"17 of 67", "missing_images: skip"}));
  request.skip_missing = true;
  request.downscale = 8;
  const Dataset dataset = Get(ReadDataset(request));
  CHECK((dataset.report.images_listed == 67 && dataset.report.images == 50 && dataset.report.cameras == 1));
  const Photo& photo = dataset.photos.photos.at(10);
  CHECK((photo.camera.width == 135 && photo.camera.height == 240 && photo.channels == 3));
  CHECK(photo.camera.fx == Approx(1375.52 / 8).epsilon(1e-14));
  CHECK(photo.camera.cy == Approx(965.268 / 8).epsilon(1e-14));
  CHECK(photo.camera.distortion == std::array<double, 5>{0.0578421, -0.0805099, -0.000980296, 0.00015575, 0});
  const TempFolder folder;
  WriteBytes(folder / "values",
             std::string(reinterpret_cast<const char*>(photo.values.data()), 2 * photo.values.size()));
  // Another libjpeg may round differently: two of 255 steps.
  Python("numpy, PIL.Image", "fox = '" + fox + "/" + photo.name + "'; got = '" + (folder / "values") + R"('
a = numpy.asarray(PIL.Image.open(fox)).astype(numpy.float64) * 257
want = a.reshape(240, 8, 135, 8, 3).mean((1, 3))
got = numpy.fromfile(got, '<u2').reshape(240, 135, 3)
assert numpy.abs(got - want).max() <= 2 * 257, numpy.abs(got - want).max()
)");
}

}  // namespace dvren::io::test
