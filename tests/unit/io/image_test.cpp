#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "dvren/io/exr.h"
#include "dvren/io/png.h"
#include "io_fixture.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

}  // namespace

TEST_CASE("sRGB has the values of its definition") {
  // IEC 61966-2-1, computed with 50 digits.
  CHECK(SrgbEncode(0.0) == 0.0);
  CHECK(SrgbEncode(1.0) == Approx(1.0).epsilon(1e-12));
  CHECK(SrgbEncode(0.5) == Approx(0.735356983052449).epsilon(1e-12));
  CHECK(SrgbEncode(0.18) == Approx(0.461356129500442).epsilon(1e-12));
  CHECK(SrgbEncode(0.001) == Approx(0.01292).epsilon(1e-12));
  CHECK(SrgbDecode(0.5) == Approx(0.214041140482232).epsilon(1e-12));
  CHECK(SrgbDecode(0.04) == Approx(0.04 / 12.92).epsilon(1e-12));
  for (double v = 0; v <= 1; v += 1.0 / 64) CHECK(SrgbDecode(SrgbEncode(v)) == Approx(v).margin(1e-7));
}

TEST_CASE("PNG samples are encoded once, clamped and rounded") {
  const TempFolder folder;
  // Linear light and its 8-bit sRGB value.
  const std::vector<float> linear{0.0f,  0.0003f, 0.0031308f, 0.18f, 0.2158605f, 0.5f,
                                  0.95f, 1.0f,    -0.5f,      7.0f,  0.2f,       1e30f};
  Ok(WritePng(folder / "a.png", 4, 1, 3, 8, linear, true));
  PngImage png = Get(ReadPng(folder / "a.png"));
  CHECK(png.samples == std::vector<std::uint16_t>{0, 1, 10, 118, 128, 188, 249, 255, 0, 255, 124, 255});
  CHECK((png.width == 4 && png.height == 1 && png.channels == 3 && png.bits == 8));
  Ok(WritePng(folder / "a.png", 4, 1, 3, 8, linear, false));
  png = Get(ReadPng(folder / "a.png"));
  CHECK(png.samples == std::vector<std::uint16_t>{0, 0, 1, 46, 55, 128, 242, 255, 0, 255, 51, 255});
}

TEST_CASE("PNG alpha is no light, and 16 bits keep what 16 bits can") {
  const TempFolder folder;
  const std::vector<float> rgba{0.5f, 0.5f, 0.5f, 0.5f};
  Ok(WritePng(folder / "a.png", 1, 1, 4, 8, rgba, true));
  CHECK(Get(ReadPng(folder / "a.png")).samples == std::vector<std::uint16_t>{188, 188, 188, 128});
  std::vector<float> ramp(256 * 256);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<float>(static_cast<double>(i) / 65535.0);
  Ok(WritePng(folder / "b.png", 256, 256, 1, 16, ramp, false));
  const PngImage png = Get(ReadPng(folder / "b.png"));
  CHECK(png.bits == 16);
  bool same = true;
  for (std::size_t i = 0; i < ramp.size(); ++i) same = same && png.samples[i] == i;
  CHECK(same);
  const Image decoded = ToImage(Get(ReadPng(folder / "a.png")), true);
  CHECK(decoded.values[0] == Approx(0.5).margin(0.004));
  CHECK(decoded.values[3] == Approx(128.0 / 255));
}

TEST_CASE("A PNG decoded by hand has the bytes that were meant") {
  const TempFolder folder;
  std::vector<float> values(5 * 4 * 3);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(static_cast<double>(i * 4) / 255.0);
  Ok(WritePng(folder / "a.png", 5, 4, 3, 8, values, false));
  Python("zlib, struct", "d = open('" + (folder / "a.png") + R"(', 'rb').read()
assert d[:8] == b'\x89PNG\r\n\x1a\n'
at, idat, kinds = 8, b'', []
while at < len(d):
    n, kind = struct.unpack('>I4s', d[at:at + 8])
    body = d[at + 8:at + 8 + n]
    assert struct.unpack('>I', d[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + body)
    kinds.append(kind)
    if kind == b'IHDR': head = struct.unpack('>IIBBBBB', body)
    if kind == b'IDAT': idat += body
    at += 12 + n
assert head == (5, 4, 8, 2, 0, 0, 0), head
assert b'sRGB' not in kinds
raw, out, prev = zlib.decompress(idat), [], [0] * 15
for y in range(4):
    f, row = raw[16 * y], list(raw[16 * y + 1:16 * y + 16])
    for i in range(15):
        a = row[i - 3] if i >= 3 else 0
        b, c = prev[i], prev[i - 3] if i >= 3 else 0
        p = a + b - c
        paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        row[i] = (row[i] + [0, a, b, (a + b) // 2, paeth][f]) & 255
    out += row
    prev = row
assert out == [4 * i for i in range(60)], out
)");
}

TEST_CASE("Bad images are refused by name") {
  const TempFolder folder;
  std::vector<float> two(2 * 2 * 3, 0.5f);
  two[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(Refused(WritePng(folder / "a.png", 2, 2, 3, 8, two, true), StatusCode::kInvalidArgument,
                {"(0, 1) channel 1", "NaN"}));
  CHECK(Refused(WritePng(folder / "a.png", 0, 2, 3, 8, two, true), StatusCode::kInvalidArgument, {"width = 0"}));
  CHECK(Refused(WritePng(folder / "a.png", 2, 2, 2, 8, two, true), StatusCode::kInvalidArgument, {"channels = 2"}));
  CHECK(Refused(WritePng(folder / "a.png", 2, 2, 3, 12, two, true), StatusCode::kInvalidArgument, {"bits = 12"}));
  CHECK(
      Refused(WritePng(folder / "a.png", 2, 3, 3, 8, two, true), StatusCode::kInvalidArgument, {"values = 12", "18"}));
  CHECK(Refused(WriteExr(folder / "a.exr", 2, 2, {}), StatusCode::kInvalidArgument, {"channels"}));
  CHECK(Refused(WriteExr(folder / "a.exr", 2, 2, {{"R", two, 3}, {"R", two, 3}}), StatusCode::kInvalidArgument,
                {"\"R\""}));
  CHECK(Refused(WriteExr(folder / "a.exr", 3, 2, {{"R", two, 3}}), StatusCode::kInvalidArgument, {"channel R"}));
  CHECK(folder.Names().empty());
  CHECK(Refused(ReadPng(folder / "b.png").status(), StatusCode::kNotFound, {"b.png"}));
  CHECK(Refused(ReadExr(folder / "b.exr").status(), StatusCode::kNotFound, {"b.exr"}));
}

TEST_CASE("Damaged PNG and EXR files are errors or images, never crashes") {
  const TempFolder folder;
  std::vector<float> values(16 * 16 * 3);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(std::fmod(static_cast<double>(i) * 0.37, 1.0));
  Ok(WritePng(folder / "a.png", 16, 16, 3, 8, values, true));
  Ok(WriteExr(folder / "a.exr", 16, 16, {{"R", values, 3}}));
  for (const std::string kind : {"png", "exr"}) {
    const std::string whole = ReadBytes(folder / ("a." + kind));
    const auto read = [&](const std::string& bytes) {
      WriteBytes(folder / "x", bytes);
      return kind == "png" ? ReadPng(folder / "x", 1 << 24).status() : ReadExr(folder / "x", 1 << 24).status();
    };
    for (std::size_t n = 0; n < whole.size(); n += 5) CHECK_FALSE(read(whole.substr(0, n)).ok());
    int refused = 0;
    for (std::size_t bit = 0; bit < whole.size() * 8; bit += 7) {
      std::string bytes = whole;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      refused += read(bytes).ok() ? 0 : 1;
    }
    CHECK(refused > 0);
  }
}

TEST_CASE("EXR keeps every bit of named channels, ZIP compressed") {
  const TempFolder folder;
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> rgb{0.1f, 0.2f, 0.3f, 1e-30f, -5.0f, 1e30f, 0.7f, 0.8f, 0.9f, 1.0f, 1.1f, 1.2f};
  const std::vector<float> depth{1.5f, inf, 0.0f, -0.0f};
  const auto span = std::span<const float>(rgb);
  Ok(WriteExr(folder / "a.exr", 2, 2,
              {{"R", span, 3}, {"G", span.subspan(1), 3}, {"B", span.subspan(2), 3}, {"Z", depth, 1}}));
  const ExrImage image = Get(ReadExr(folder / "a.exr"));
  CHECK((image.width == 2 && image.height == 2));
  REQUIRE(image.channels.size() == 4);
  CHECK(image.channels.at("R") == std::vector<float>{0.1f, 1e-30f, 0.7f, 1.0f});
  CHECK(image.channels.at("G") == std::vector<float>{0.2f, -5.0f, 0.8f, 1.1f});
  CHECK(image.channels.at("B") == std::vector<float>{0.3f, 1e30f, 0.9f, 1.2f});
  CHECK(image.channels.at("Z") == depth);
  CHECK(std::signbit(image.channels.at("Z")[3]));
  const std::string bytes = ReadBytes(folder / "a.exr");
  CHECK(bytes.substr(0, 4) == "\x76\x2f\x31\x01");
  // Attribute `compression`, one byte: 3 = ZIP of 16 scan lines. `channels` of type FLOAT = 2.
  const std::size_t at = bytes.find(std::string("compression\0compression\0\1\0\0\0", 28));
  REQUIRE(at != std::string::npos);
  CHECK(bytes[at + 28] == 3);
  CHECK(bytes.find(std::string("R\0\2\0\0\0", 6)) != std::string::npos);
}

}  // namespace dvren::io::test
