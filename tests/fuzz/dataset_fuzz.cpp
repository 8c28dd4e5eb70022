// The descriptions of photographs on arbitrary bytes: transforms.json, and COLMAP's models in text and binary. The
// first byte chooses the format; COLMAP's cameras end at the first byte 0xFF 0x00 0xFF, where its images begin. An
// error of one line, or photographs with finite numbers.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "colmap_model.h"
#include "fuzz_target.h"
#include "scratch_folder.h"
#include "transforms_json.h"

namespace {

constexpr std::uint8_t kBetween[] = {0xFF, 0x00, 0xFF};

void CheckListing(const absl::Status& status, const dvren::io::Listing& listing) {
  if (!status.ok()) {
    if (status.message().empty() || status.message().find('\n') != absl::string_view::npos) std::abort();
    return;
  }
  for (const dvren::io::ListedPhoto& photo : listing.photos) {
    if (photo.name.empty() || photo.name.front() == '/' || photo.name.find("..") == 0) std::abort();
    for (const double v : photo.camera_to_world.m) {
      if (!std::isfinite(v)) std::abort();
    }
    for (const auto& v : {photo.fx, photo.fy, photo.cx, photo.cy, photo.angle_x, photo.angle_y}) {
      if (v && !std::isfinite(*v)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ScratchFolder folder;
  if (size == 0) return 0;
  const int format = data[0] % 3;
  ++data, --size;
  dvren::io::Listing listing;
  if (format == 0) {
    folder.Write("transforms.json", data, size);
    CheckListing(dvren::io::ListTransformsJson(folder.path(), "transforms.json", "", &listing), listing);
    return 0;
  }
  const std::uint8_t* between = std::search(data, data + size, std::begin(kBetween), std::end(kBetween));
  const auto cameras = static_cast<std::size_t>(between - data);
  const std::size_t images = std::min(size, cameras + sizeof kBetween);
  const char* extension = format == 1 ? ".txt" : ".bin";
  folder.Write(std::string("cameras") + extension, data, cameras);
  folder.Write(std::string("images") + extension, data + images, size - images);
  CheckListing(format == 1 ? dvren::io::ReadColmapText(folder.path(), "", &listing)
                           : dvren::io::ReadColmapBinary(folder.path(), "", &listing),
               listing);
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  const std::string between(reinterpret_cast<const char*>(kBetween), sizeof kBetween);
  const std::string text_cameras =
      "# comment\n1 PINHOLE 640 480 500 501 320 240\n2 OPENCV 64 48 50 50 32 24 0.1 0 0 0\n";
  const std::string text_images = "# comment\n1 1 0 0 0 0.5 -1 2 1 a.jpg\n\n2 0.6 0.8 0 0 0 0 1 2 b/c.jpg\n1 2 -1\n";
  const auto number = [](auto value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); };
  std::string cameras = number(std::uint64_t{1}) + number(std::uint32_t{1}) + number(std::int32_t{1}) +
                        number(std::uint64_t{640}) + number(std::uint64_t{480});
  for (const double v : {500.0, 501.0, 320.0, 240.0}) cameras += number(v);
  std::string images = number(std::uint64_t{1}) + number(std::uint32_t{1});
  for (const double v : {1.0, 0.0, 0.0, 0.0, 0.5, -1.0, 2.0}) images += number(v);
  images += number(std::uint32_t{1}) + std::string("a.jpg") + '\0' + number(std::uint64_t{1}) + number(1.5) +
            number(2.5) + number(std::int64_t{-1});
  return {
      std::string(1, '\0') + R"({"camera_angle_x":0.69,"frames":[{"file_path":"./train/r_0","transform_matrix":)"
                             R"([[1,0,0,0],[0,0,-1,2],[0,1,0,0.5],[0,0,0,1]]}]})",
      std::string(1, '\0') +
          R"({"fl_x":500,"fl_y":500.5,"cx":320,"cy":240,"w":640,"h":480,"k1":0.1,"camera_model":"OPENCV",)"
          R"("frames":[{"file_path":"images/0001.jpg","transform_matrix":[[0.6,0.8,0,0],[-0.8,0.6,0,1],[0,0,1,2]]}],)"
          R"("train_filenames":["images/0001.jpg"]})",
      '\1' + text_cameras + between + text_images, '\2' + cameras + between + images};
}
