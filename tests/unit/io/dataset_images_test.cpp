// What a dataset's images must be, whatever its format, and how they are made smaller.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "dataset_fixture.h"
#include "dvren/io/png.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

class Scene {
 public:
  explicit Scene(const std::string& top = kFocal) {
    WriteTransforms(folder, top);
    request.path = folder.path();
  }
  [[nodiscard]] absl::Status status() const {
    const absl::Status read = ReadDataset(request).status();
    const absl::Status inspected = InspectDataset(request).status();
    // What can be seen without pixels is seen without them.
    CHECK((inspected.ok() || inspected == read));
    return read;
  }
  TempFolder folder;
  DatasetRequest request;
};

Photo MakePhoto(int width, int height, int channels, unsigned seed) {
  Photo photo;
  photo.name = "photo";
  photo.camera.width = width;
  photo.camera.height = height;
  photo.camera.fx = 10;
  photo.camera.fy = 12;
  photo.camera.cx = 3;
  photo.camera.cy = 5;
  photo.channels = channels;
  for (const std::uint8_t sample : Pattern(width, height, 2 * channels, seed)) {
    if (photo.values.size() == static_cast<std::size_t>(width * height * channels)) break;
    photo.values.push_back(static_cast<std::uint16_t>(sample * 257 + sample % 7 * 11));
  }
  return photo;
}

}  // namespace

TEST_CASE("A photograph made smaller holds means of squares, and its camera sees the same") {
  for (const int factor : {2, 4, 8}) {
    const Photo whole = MakePhoto(16, 24, 4, static_cast<unsigned>(factor));
    Photo small = whole;
    Ok(ScaleDown(factor, &small));
    const int width = 16 / factor, height = 24 / factor;
    CHECK((small.camera.width == width && small.camera.height == height));
    CHECK(small.values.size() == static_cast<std::size_t>(width * height * 4));
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < 4; ++c) {
          double mean = 0;
          for (int j = 0; j < factor; ++j) {
            for (int i = 0; i < factor; ++i) {
              mean += whole.values[static_cast<std::size_t>(((y * factor + j) * 16 + x * factor + i) * 4 + c)];
            }
          }
          CHECK(small.values[static_cast<std::size_t>((y * width + x) * 4 + c)] ==
                static_cast<int>(std::floor(mean / (factor * factor) + 0.5)));
        }
      }
    }
    // The point that lies on the middle of a square of pixels lies on the centre of the small pixel.
    const auto ray = [](const PhotoCamera& camera, double u, double v) {
      return std::pair{(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy};
    };
    CHECK(ray(small.camera, 0.5, 1.5) == ray(whole.camera, 0.5 * factor, 1.5 * factor));
  }
  Photo photo = MakePhoto(6, 5, 3, 1);
  CHECK(Refused(ScaleDown(2, &photo), StatusCode::kInvalidArgument, {"photo: 6x5", "downscale = 2", "crop"}));
  CHECK(Refused(ScaleDown(3, &photo), StatusCode::kInvalidArgument, {"downscale = 3"}));
  photo.values.pop_back();
  photo.camera.height = 4;
  CHECK(Refused(ScaleDown(2, &photo), StatusCode::kInvalidArgument, {"values = 89"}));
}

TEST_CASE("Images of odd size are refused by name when halved") {
  Scene scene;
  scene.request.downscale = 2;
  CHECK(Get(ReadDataset(scene.request)).report.sizes.at(0).width == 4);
  scene.request.downscale = 4;
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/0.png: 8x6", "downscale = 4", "smaller"}));
}

TEST_CASE("A request that makes no sense is refused by name") {
  Scene scene;
  scene.request.split = "training";
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"split = training", "train, test, val, all"}));
  scene.request.split = "train";
  scene.request.downscale = 3;
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"downscale = 3", "1, 2, 4 or 8"}));
  scene.request.downscale = 1;
  scene.request.hold_out_every = 1;
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"hold_out_every = 1"}));
  scene.request.hold_out_every = -8;
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"hold_out_every = -8"}));
  scene.request.hold_out_every = 0;
  scene.request.max_bytes = 4 * 8 * 6 * 3 * 2 - 1;
  CHECK(Refused(scene.status(), StatusCode::kResourceExhausted, {"1151 bytes", "downscale"}));
  ++scene.request.max_bytes;
  CHECK(scene.status().ok());
}

TEST_CASE("What is not a dataset is refused with what was looked for") {
  const TempFolder folder;
  DatasetRequest request;
  request.path = folder.path();
  CHECK(Refused(InspectDataset(request).status(), StatusCode::kInvalidArgument,
                {"not a dataset", "transforms_train.json", "transforms.json", "sparse/0"}));
  request.path = folder / "nowhere";
  CHECK(Refused(InspectDataset(request).status(), StatusCode::kNotFound, {"nowhere"}));
  WriteBytes(folder / "file", "x");
  request.path = folder / "file";
  CHECK(Refused(InspectDataset(request).status(), StatusCode::kInvalidArgument, {"file", "folder"}));
}

TEST_CASE("Damaged images are refused by name, whichever thread meets them") {
  Scene scene;
  const std::string png = scene.folder / "images/2.png", whole = ReadBytes(png);
  WriteBytes(png, whole.substr(0, whole.size() - 20));
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/2.png", "not a readable PNG"}));
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 0x10);
  WriteBytes(png, flipped);
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/2.png", "not a readable PNG"}));
  WriteBytes(png, whole.substr(0, 12));
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/2.png", "cut short"}));
  WriteBytes(png, "GIF89a, as it were");
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/2.png", "neither PNG nor JPEG"}));
  WriteBytes(png, "");
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/2.png", "neither PNG nor JPEG"}));
  WriteJpeg(png, 8, 6, JpegKind::kColor, Pattern(8, 6, 3, 2));  // its bytes count, not its name
  CHECK(scene.status().ok());
  const std::string jpeg = ReadBytes(png);
  WriteBytes(png, jpeg.substr(0, jpeg.size() - 30));
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/2.png", "not a readable JPEG"}));
  std::string huge = whole;
  huge[16] = huge[20] = '\x7f';  // of IHDR: width and height
  WriteBytes(png, huge);
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/2.png", "65535"}));
  WriteBytes(png, whole);
  WriteBytes(scene.folder / "images/1.png", "x");
  WriteBytes(scene.folder / "images/3.png", "x");
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/1.png"}));
}

TEST_CASE("Images of other sizes or channels than the rest are told apart") {
  Scene scene;
  WritePng8(scene.folder / "images/3.png", 6, 4, 3, Pattern(6, 4, 3, 9));
  const DatasetReport report = Get(InspectDataset(scene.request));
  REQUIRE(report.sizes.size() == 2);
  CHECK((report.sizes[0].width == 8 && report.sizes[0].images == 3 && report.sizes[1].height == 4));
  WritePng8(scene.folder / "images/3.png", 8, 6, 4, Pattern(8, 6, 4, 9));
  CHECK(Refused(scene.status(), StatusCode::kInvalidArgument, {"images/3.png", "an alpha channel", "images/0.png"}));
}

TEST_CASE("Grey images have three equal channels, 16 bits are kept, tRNS is alpha") {
  Scene scene;
  WritePng8(scene.folder / "images/0.png", 8, 6, 1, Pattern(8, 6, 1, 4));
  std::vector<float> deep(8 * 6 * 3);
  for (std::size_t i = 0; i < deep.size(); ++i) deep[i] = static_cast<float>(i * 401) / 65535.0f;
  Ok(WritePng(scene.folder / "images/1.png", 8, 6, 3, 16, deep, false));
  const Dataset dataset = Get(ReadDataset(scene.request));
  const auto grey = Pattern(8, 6, 1, 4);
  for (std::size_t i = 0; i < 8 * 6 * 3; ++i) {
    CHECK(dataset.photos.photos[0].values[i] == 257 * grey[i / 3]);
    CHECK(dataset.photos.photos[1].values[i] == i * 401);
  }
  // A grey PNG in which grey 1 is transparent: one row of two pixels, 0 and 1, in 1 bit.
  if (!Python("zlib, struct", "folder = '" + scene.folder.path() + R"('
def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
png = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 2, 1, 1, 0, 0, 0, 0)) + chunk(b'tRNS', b'\0\1')
png += chunk(b'IDAT', zlib.compress(b'\0\x40')) + chunk(b'IEND', b'')
for i in range(4): open(f'{folder}/images/{i}.png', 'wb').write(png)
)"))
    return;
  const Dataset clear = Get(ReadDataset(scene.request));
  CHECK(clear.report.channels == 4);
  CHECK(clear.photos.photos[3].values == std::vector<std::uint16_t>{0, 0, 0, 65535, 0, 0, 0, 0});
}

TEST_CASE("Premultiplied values are the nearest integers for every colour and alpha") {
  Scene scene;
  std::vector<std::uint8_t> all;
  for (int c = 0; c < 256; ++c) {
    for (int a = 0; a < 256; ++a) {
      const auto color = static_cast<std::uint8_t>(c);
      all.insert(all.end(), {color, color, color, static_cast<std::uint8_t>(a)});
    }
  }
  for (const char* name : {"0", "1", "2", "3"}) {
    WritePng8(scene.folder / ("images/" + std::string(name) + ".png"), 256, 256, 4, all);
  }
  const Dataset dataset = Get(ReadDataset(scene.request));
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < 65536; ++i) {
    const auto c = static_cast<double>(i / 256), a = static_cast<double>(i % 256);
    const auto* value = &dataset.photos.photos[0].values[4 * i];
    wrong += value[0] == std::lround(c * a * 65535 / (255 * 255)) && value[3] == std::lround(a * 257) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

}  // namespace dvren::io::test
