#include "dvren/io/jpeg.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "dataset_fixture.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

// Smooth, so that JPEG at quality 100 keeps it to a few steps.
std::vector<std::uint8_t> Smooth(int width, int height, int channels) {
  std::vector<std::uint8_t> samples;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        samples.push_back(
            static_cast<std::uint8_t>(std::lround(128 + 80 * std::sin(0.1 * x + c) * std::cos(0.07 * y - c))));
      }
    }
  }
  return samples;
}

int LargestDifference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  REQUIRE(a.size() == b.size());
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(int{a[i]} - int{b[i]}));
  return largest;
}

}  // namespace

TEST_CASE("Baseline and progressive JPEG, grey and colour, come back nearly as they were") {
  const TempFolder folder;
  for (const bool progressive : {false, true}) {
    for (const JpegKind kind : {JpegKind::kGrey, JpegKind::kColor}) {
      const int channels = kind == JpegKind::kGrey ? 1 : 3;
      const auto samples = Smooth(37, 21, channels);
      WriteJpeg(folder / "a.jpg", 37, 21, kind, samples, progressive);
      const JpegImage image = Get(ReadJpeg(folder / "a.jpg"));
      const JpegHeader header = Get(ReadJpegHeader(folder / "a.jpg"));
      for (const JpegHeader& h : {image.header, header})
        CHECK((h.width == 37 && h.height == 21 && h.channels == channels));
      CHECK(LargestDifference(image.samples, samples) <= 3);
    }
  }
}

TEST_CASE("JPEG in CMYK, of other kinds, too big or not there is refused by name") {
  const TempFolder folder;
  WriteJpeg(folder / "cmyk.jpg", 8, 8, JpegKind::kCmyk, Pattern(8, 8, 4, 1));
  CHECK(Refused(ReadJpeg(folder / "cmyk.jpg").status(), StatusCode::kInvalidArgument, {"cmyk.jpg", "CMYK", "RGB"}));
  CHECK(Refused(ReadJpegHeader(folder / "cmyk.jpg").status(), StatusCode::kInvalidArgument, {"CMYK"}));
  WriteBytes(folder / "text.jpg", "no picture");
  CHECK(Refused(ReadJpeg(folder / "text.jpg").status(), StatusCode::kInvalidArgument,
                {"text.jpg", "not a readable JPEG"}));
  WriteBytes(folder / "empty.jpg", "");
  CHECK(Refused(ReadJpeg(folder / "empty.jpg").status(), StatusCode::kInvalidArgument, {"empty.jpg"}));
  WriteJpeg(folder / "a.jpg", 64, 64, JpegKind::kColor, Smooth(64, 64, 3));
  CHECK(Refused(ReadJpeg(folder / "a.jpg", 64 * 64 * 3 - 1).status(), StatusCode::kResourceExhausted,
                {"a.jpg", "12287"}));
  CHECK(ReadJpeg(folder / "a.jpg", 64 * 64 * 3).ok());
  CHECK(Refused(ReadJpeg(folder / "b.jpg").status(), StatusCode::kNotFound, {"b.jpg"}));
}

TEST_CASE("A JPEG cut short anywhere is an error, never made-up pixels") {
  const TempFolder folder;
  for (const bool progressive : {false, true}) {
    WriteJpeg(folder / "a.jpg", 24, 24, JpegKind::kColor, Pattern(24, 24, 3, 7), progressive);
    const std::string whole = ReadBytes(folder / "a.jpg");
    for (std::size_t n = 0; n + 2 < whole.size(); n += 3) {  // the last two bytes say that it ends
      WriteBytes(folder / "x.jpg", whole.substr(0, n));
      CHECK_FALSE(ReadJpeg(folder / "x.jpg").ok());
    }
  }
}

TEST_CASE("A damaged JPEG is an error or an image, never a crash") {
  const TempFolder folder;
  for (const bool progressive : {false, true}) {
    WriteJpeg(folder / "a.jpg", 24, 24, JpegKind::kColor, Pattern(24, 24, 3, 7), progressive);
    const std::string whole = ReadBytes(folder / "a.jpg");
    int refused = 0;
    for (std::size_t bit = 0; bit < whole.size() * 8; bit += 11) {
      std::string bytes = whole;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      WriteBytes(folder / "x.jpg", bytes);
      refused += ReadJpeg(folder / "x.jpg", 1 << 24).ok() ? 0 : 1;
    }
    CHECK(refused > 0);
  }
}

}  // namespace dvren::io::test
