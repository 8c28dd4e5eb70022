#include "image_files.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "dvren/io/exr.h"
#include "dvren/io/npy.h"
#include "dvren/io/npz.h"
#include "dvren/io/png.h"

namespace dvren::ctl {
namespace {

namespace fs = std::filesystem;

struct Scratch {
  fs::path path = fs::temp_directory_path() / ("dvrenctl_images_" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }
};

// 5 x 3 pixels: rgb counts up in steps of 1/64, the others differ from each other.
client::RenderedFrame Frame() {
  client::RenderedFrame frame;
  const auto add = [&](v1::Aov aov, float first) {
    client::Image& image = frame.images[aov];
    image.width = 5;
    image.height = 3;
    image.channels = client::AovChannels(aov);
    for (int i = 0; i < 15 * image.channels; ++i) image.pixels.push_back(first + static_cast<float>(i) / 64);
  };
  add(v1::AOV_RGB, 0);
  add(v1::AOV_OPACITY, 10);
  add(v1::AOV_DEPTH, 20);
  add(v1::AOV_TRANSMITTANCE, 30);
  add(v1::AOV_HIT, 40);
  return frame;
}

TEST_CASE("A PNG is encoded for screens once, in 8 bits or 16") {
  const Scratch scratch;
  const client::RenderedFrame frame = Frame();
  const std::string path = (scratch.path / "a.png").string();
  for (const int bits : {0, 8, 16}) {
    REQUIRE(WriteImageFile(path, frame, bits).ok());
    const auto png = io::ReadPng(path);
    REQUIRE(png.ok());
    CHECK(png->bits == (bits == 16 ? 16 : 8));
    CHECK(png->width == 5);
    CHECK(png->height == 3);
    CHECK(png->channels == 3);
    const double top = bits == 16 ? 65535 : 255;
    for (std::size_t i = 0; i < png->samples.size(); ++i) {
      const double linear = frame.images.at(v1::AOV_RGB).pixels[i];
      const double stored = linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
      CHECK(std::abs(png->samples[i] - stored * top) <= 0.51);
    }
  }
}

TEST_CASE("A PNG of colours that are encoded already holds them as they are") {
  const Scratch scratch;
  const client::RenderedFrame frame = Frame();
  const std::string path = (scratch.path / "a.png").string();
  REQUIRE(WriteImageFile(path, frame, 16, "srgb").ok());
  const auto png = io::ReadPng(path);
  REQUIRE(png.ok());
  const auto& rgb = frame.images.at(v1::AOV_RGB).pixels;
  for (std::size_t i = 0; i < rgb.size(); ++i) CHECK(std::abs(png->samples[i] - rgb[i] * 65535.0) <= 0.51);
}

TEST_CASE("An EXR holds every AOV under its channel's name, bit for bit") {
  const Scratch scratch;
  const client::RenderedFrame frame = Frame();
  const std::string path = (scratch.path / "a.exr").string();
  REQUIRE(WriteImageFile(path, frame, 0).ok());
  const auto exr = io::ReadExr(path);
  REQUIRE(exr.ok());
  CHECK(exr->width == 5);
  CHECK(exr->height == 3);
  REQUIRE(exr->channels.size() == 7);
  const auto& rgb = frame.images.at(v1::AOV_RGB).pixels;
  for (std::size_t i = 0; i < 15; ++i) {
    CHECK(exr->channels.at("R")[i] == rgb[3 * i]);
    CHECK(exr->channels.at("G")[i] == rgb[3 * i + 1]);
    CHECK(exr->channels.at("B")[i] == rgb[3 * i + 2]);
  }
  CHECK(exr->channels.at("A") == frame.images.at(v1::AOV_OPACITY).pixels);
  CHECK(exr->channels.at("Z") == frame.images.at(v1::AOV_DEPTH).pixels);
  CHECK(exr->channels.at("T") == frame.images.at(v1::AOV_TRANSMITTANCE).pixels);
  CHECK(exr->channels.at("hit") == frame.images.at(v1::AOV_HIT).pixels);
}

TEST_CASE("NPY and NPZ hold the linear values with their shapes") {
  const Scratch scratch;
  const client::RenderedFrame frame = Frame();
  const std::string npy = (scratch.path / "a.npy").string(), npz = (scratch.path / "a.npz").string();
  REQUIRE(WriteImageFile(npy, frame, 0).ok());
  REQUIRE(WriteImageFile(npz, frame, 0).ok());
  const auto rgb = io::ReadNpy(npy);
  REQUIRE(rgb.ok());
  CHECK(rgb->shape == std::vector<std::int64_t>{3, 5, 3});
  CHECK(std::memcmp(rgb->data.data(), frame.images.at(v1::AOV_RGB).pixels.data(), rgb->data.size()) == 0);
  const auto arrays = io::ReadNpz(npz);
  REQUIRE(arrays.ok());
  REQUIRE(arrays->size() == 5);
  CHECK(arrays->at("rgb").shape == std::vector<std::int64_t>{3, 5, 3});
  for (const auto& [name, aov] : {std::pair{"opacity", v1::AOV_OPACITY}, std::pair{"depth", v1::AOV_DEPTH},
                                  std::pair{"transmittance", v1::AOV_TRANSMITTANCE}, std::pair{"hit", v1::AOV_HIT}}) {
    const io::NpyArray& array = arrays->at(name);
    CHECK(array.shape == std::vector<std::int64_t>{3, 5});
    CHECK(array.dtype == DType::kF32);
    CHECK(std::memcmp(array.data.data(), frame.images.at(aov).pixels.data(), array.data.size()) == 0);
  }
}

}  // namespace
}  // namespace dvren::ctl
