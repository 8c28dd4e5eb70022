#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "server/codec/training_exchange_codec.h"

namespace dvren::server {
namespace {

io::PhotoSet TwoPhotos() {
  io::PhotoSet photos;
  for (const auto model : {io::PhotoCamera::Model::kPinhole, io::PhotoCamera::Model::kFisheye}) {
    io::Photo photo;
    photo.name = "photo" + std::to_string(photos.photos.size());
    photo.camera.model = model;
    photo.camera.width = 25, photo.camera.height = 19;
    photo.camera.fx = 31.7, photo.camera.fy = 32.3, photo.camera.cx = 12.1, photo.camera.cy = 9.9;
    photo.camera.distortion = {0.011, -0.013, 0.0017, 0.0019, model == io::PhotoCamera::Model::kPinhole ? 0.0023 : 0};
    photo.camera.camera_to_world.m = {1, 0, 0, 0.3, 0, 0.6, -0.8, 0.7, 0, 0.8, 0.6, -1.1};
    photos.photos.push_back(photo);
  }
  return photos;
}

TEST_CASE("Cameras of photographs come back as they were, for every factor of scaling") {
  const io::PhotoSet photos = TwoPhotos();
  for (const int factor : {1, 2, 4, 8}) {
    google::protobuf::RepeatedPtrField<v1::PhotoCamera> messages;
    for (const io::Photo& photo : photos.photos) EncodePhotoCamera(photo, photo.camera, factor, messages.Add());
    CHECK(messages[0].camera().width() == 25 * factor);  // of the photograph as it is stored
    CHECK(messages[1].photo() == "photo1");
    const auto cameras = DecodePhotoCameras(messages, photos, factor);
    REQUIRE(cameras.ok());
    for (std::size_t i = 0; i < 2; ++i) {
      const io::PhotoCamera &before = photos.photos[i].camera, &after = (*cameras)[i];
      CHECK(after.model == before.model);
      CHECK(after.width == before.width);
      CHECK(after.height == before.height);
      CHECK(after.fx == before.fx);
      CHECK(after.fy == before.fy);
      CHECK(after.cx == before.cx);
      CHECK(after.cy == before.cy);
      CHECK(after.distortion == before.distortion);
      CHECK(after.camera_to_world.m == before.camera_to_world.m);
    }
  }
}

TEST_CASE("Cameras that are not of their photographs are refused by place") {
  const io::PhotoSet photos = TwoPhotos();
  google::protobuf::RepeatedPtrField<v1::PhotoCamera> good;
  for (const io::Photo& photo : photos.photos) EncodePhotoCamera(photo, photo.camera, 2, good.Add());
  const auto says = [&](const std::string& words, const std::function<void(decltype(good)&)>& spoil) {
    auto messages = good;
    spoil(messages);
    const auto cameras = DecodePhotoCameras(messages, photos, 2);
    REQUIRE(cameras.status().code() == absl::StatusCode::kInvalidArgument);
    INFO(cameras.status().message());
    CHECK(std::string(cameras.status().message()).find(words) != std::string::npos);
  };
  says("cameras = 1: must be one for each of the 2", [](auto& m) { m.RemoveLast(); });
  says("cameras[1].photo = photo0: must be photo1", [](auto& m) { m[1].set_photo("photo0"); });
  says("cameras[0].camera = 48 x 38: must be 50 x 38", [](auto& m) { m[0].mutable_camera()->set_width(48); });
  says("cameras[0].camera.model", [](auto& m) { *m[0].mutable_camera() = m[1].camera(); });
  says("cameras[1].camera.camera_to_world", [](auto& m) { m[1].mutable_camera()->clear_camera_to_world(); });
}

}  // namespace
}  // namespace dvren::server
