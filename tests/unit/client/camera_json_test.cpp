#include "camera_json.h"

#include <catch2/catch.hpp>

#include "transfer_json.h"

namespace dvren::ctl {
namespace {

constexpr char kPose[] = R"("camera_to_world": [[1, 0, 0, 0.5], [0, 1, 0, -2], [0, 0, 1, -3]])";

std::string Pinhole(const std::string& more = "") {
  return std::string(R"({"width": 80, "height": 60, "fx": 90, "fy": 91, )") + kPose + more + "}";
}

std::string ErrorOf(const std::string& text, int width = 0, int height = 0) {
  const auto camera = ParseCameraJson(text, "cam.json", width, height);
  REQUIRE_FALSE(camera.ok());
  CHECK(camera.status().code() == absl::StatusCode::kInvalidArgument);
  const std::string message(camera.status().message());
  CHECK(message.find('\n') == std::string::npos);
  return message;
}

TEST_CASE("A pinhole camera file is read with its defaults left to the daemon") {
  const auto camera = ParseCameraJson(Pinhole(), "cam.json", 0, 0);
  REQUIRE(camera.ok());
  CHECK(camera->width() == 80);
  CHECK(camera->height() == 60);
  CHECK(camera->pinhole().fx() == 90);
  CHECK(camera->pinhole().fy() == 91);
  CHECK_FALSE(camera->pinhole().has_cx());
  CHECK(camera->convention() == v1::AXIS_CONVENTION_OPENCV);
  REQUIRE(camera->camera_to_world().m_size() == 12);
  CHECK(camera->camera_to_world().m(3) == 0.5);
  CHECK(camera->camera_to_world().m(11) == -3);
  CHECK(camera->t_near() == 0);
  CHECK_FALSE(camera->has_t_far());
}

TEST_CASE("Every field of a camera file arrives") {
  const auto camera =
      ParseCameraJson(Pinhole(R"(, "model": "pinhole", "cx": 39.5, "cy": 30.5, "convention": "opengl", "t_near": 0.25,
    "t_far": 8, "distortion": {"k1": 0.1, "k2": 0.2, "k3": 0.3, "p1": 0.4, "p2": 0.5})"),
                      "cam.json", 80, 0);
  REQUIRE(camera.ok());
  CHECK(camera->pinhole().cx() == 39.5);
  CHECK(camera->pinhole().cy() == 30.5);
  CHECK(camera->pinhole().k1() == 0.1);
  CHECK(camera->pinhole().k2() == 0.2);
  CHECK(camera->pinhole().k3() == 0.3);
  CHECK(camera->pinhole().p1() == 0.4);
  CHECK(camera->pinhole().p2() == 0.5);
  CHECK(camera->convention() == v1::AXIS_CONVENTION_OPENGL);
  CHECK(camera->t_near() == 0.25);
  CHECK(camera->t_far() == 8);
}

TEST_CASE("Fisheye and orthographic cameras take their own keys") {
  const auto fisheye = ParseCameraJson(
      std::string(R"({"model": "fisheye", "fx": 50, "fy": 50, "distortion": {"k4": 0.01}, )") + kPose + "}", "cam.json",
      64, 32);
  REQUIRE(fisheye.ok());
  CHECK(fisheye->fisheye().k4() == 0.01);
  CHECK(fisheye->width() == 64);
  CHECK(fisheye->height() == 32);
  const auto ortho = ParseCameraJson(
      std::string(R"({"model": "orthographic", "width": 8, "height": 8, "ortho_scale": 2.5, )") + kPose + "}",
      "cam.json", 0, 0);
  REQUIRE(ortho.ok());
  CHECK(ortho->orthographic().ortho_scale() == 2.5);
}

TEST_CASE("An unknown camera key is refused with the nearest known one") {
  CHECK(ErrorOf(Pinhole(R"(, "camera_to_wrold": 1)")) ==
        "cam.json: camera_to_wrold: unknown key; did you mean camera_to_world?");
  CHECK(ErrorOf(Pinhole(R"(, "distortion": {"k11": 1})")) == "cam.json: distortion.k11: unknown key; did you mean k1?");
  CHECK_THAT(ErrorOf(Pinhole(R"(, "zzzzzzzzzz": 1)")), Catch::Contains("one of model, width"));
}

TEST_CASE("Camera numbers that are not finite are named") {
  for (const std::string value : {"NaN", "Infinity", "-Infinity"}) {
    const std::string text = Pinhole(R"(, "cx": )" + value);
    CHECK(ErrorOf(text) == "cam.json: cx = " + value + ": must be a finite number");
  }
  CHECK_THAT(
      ErrorOf(R"({"width": 8, "height": 8, "fx": 1, "fy": 1, "camera_to_world": [[1,0,0,0],[0,1,0,NaN],[0,0,1,0]]})"),
      Catch::Contains("camera_to_world[1][3] = NaN"));
  CHECK_THAT(ErrorOf(Pinhole(R"(, "cx": 1e999)")), Catch::Contains("cam.json"));
}

TEST_CASE("An infinite t_far is the default") {
  const auto camera = ParseCameraJson(Pinhole(R"(, "t_far": Infinity)"), "cam.json", 0, 0);
  REQUIRE(camera.ok());
  CHECK_FALSE(camera->has_t_far());
}

TEST_CASE("Wrong types and values in a camera file are named with a remedy") {
  CHECK(ErrorOf(Pinhole(R"(, "cx": "left")")) == R"(cam.json: cx = "left": must be a finite number)");
  CHECK_THAT(ErrorOf(R"({"width": 8.5, "height": 8})"), Catch::Contains("width = 8.5: must be a whole number >= 1"));
  CHECK_THAT(ErrorOf(R"({"width": 0, "height": 8})"), Catch::Contains("width = 0"));
  CHECK_THAT(ErrorOf(Pinhole(R"(, "model": "pin")")), Catch::Contains("must be pinhole, fisheye or orthographic"));
  CHECK_THAT(ErrorOf(Pinhole(R"(, "convention": "blender")")),
             Catch::Contains("convention = blender: must be opencv or opengl"));
  CHECK_THAT(ErrorOf(Pinhole(R"(, "t_near": -1)")), Catch::Contains("t_near = -1: must be >= 0"));
  CHECK_THAT(ErrorOf(Pinhole(R"(, "t_near": 2, "t_far": 1)")), Catch::Contains("t_far = 1: must be > t_near = 2"));
  CHECK_THAT(ErrorOf(Pinhole(R"(, "ortho_scale": 1)")), Catch::Contains("ortho_scale = given"));
  CHECK_THAT(ErrorOf(Pinhole(R"(, "distortion": [1])")), Catch::Contains("distortion = [1]: must be an object"));
  CHECK_THAT(ErrorOf(R"({"width": 8, "height": 8, "fx": -1, "fy": 1})"), Catch::Contains("fx = -1: must be > 0"));
  CHECK_THAT(ErrorOf(R"({"width": 8, "height": 8, "fx": 1, "fy": 1})"), Catch::Contains("camera_to_world: is missing"));
  CHECK_THAT(ErrorOf(R"({"width": 8, "height": 8, "fx": 1, "fy": 1, "camera_to_world": [[1,0,0],[0,1,0],[0,0,1]]})"),
             Catch::Contains("camera_to_world[0] = [1,0,0]: must be 4 numbers"));
}

TEST_CASE("Text that is no JSON object is refused in one line") {
  CHECK_THAT(ErrorOf("{\"width\": 8,\n oops}"), Catch::Contains("cam.json: is not JSON: parse error at line 2"));
  CHECK_THAT(ErrorOf("[1, 2]"), Catch::Contains("must be a JSON object"));
  CHECK_THAT(ErrorOf(R"({"fx": 1, "fx": 2})"), Catch::Contains("fx: is there twice"));
  CHECK_THAT(ErrorOf("\xff\xfe"), Catch::Contains("is not JSON"));
}

TEST_CASE("A size on the command line that contradicts the camera file is refused") {
  CHECK_THAT(ErrorOf(Pinhole(), 81, 0), Catch::Contains("--width = 81: the camera file says 80"));
  CHECK_THAT(ErrorOf(R"({"fx": 1, "fy": 1})"), Catch::Contains("width: is missing"));
}

TEST_CASE("A missing camera file is not found") {
  CHECK(ReadCameraJson("/nonexistent/cam.json", 0, 0).status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("A transfer function is read, and its mistakes are named") {
  const auto transfer = ParseTransferJson(R"({"density": [0, 1.5], "rgb": [[0, 0, 0], [1, 0.5, 2]]})", "tf.json");
  REQUIRE(transfer.ok());
  REQUIRE(transfer->density_size() == 2);
  CHECK(transfer->density(1) == 1.5);
  CHECK(transfer->rgb(1).z() == 2);
  const auto error = [](const std::string& text) {
    const auto parsed = ParseTransferJson(text, "tf.json");
    REQUIRE_FALSE(parsed.ok());
    return std::string(parsed.status().message());
  };
  CHECK_THAT(error(R"({"density": [1, 1], "rgb": [[0,0,0],[1,1,1]]})"),
             Catch::Contains("density[1] = 1: must be > density[0] = 1"));
  CHECK_THAT(error(R"({"density": [0], "rgb": [[0,0,0],[1,1,1]]})"), Catch::Contains("rgb = 2 colours: must be 1"));
  CHECK_THAT(error(R"({"density": [0], "rgb": [[0,0]]})"), Catch::Contains("rgb[0] = [0,0]: must be 3 numbers"));
  CHECK_THAT(error(R"({"density": [], "rgb": []})"), Catch::Contains("must be 1 to 256 knots"));
  CHECK_THAT(error(R"({"densities": [0]})"), Catch::Contains("did you mean density?"));
}

}  // namespace
}  // namespace dvren::ctl
