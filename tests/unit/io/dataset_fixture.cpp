#include "dataset_fixture.h"

// jpeglib.h needs size_t and FILE from these.
#include <cstddef>
#include <cstdio>
// clang-format off
#include <jpeglib.h>
// clang-format on

#include <cmath>
#include <filesystem>

#include "dvren/io/png.h"

namespace dvren::io::test {
namespace {

Vec3 Unit(const Vec3& v) {
  const double length = std::hypot(v[0], v[1], v[2]);
  return {v[0] / length, v[1] / length, v[2] / length};
}
Vec3 Cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

struct Axes {
  Vec3 right, up, back;
};
Axes AxesOf(const Vec3& position, const Vec3& target) {
  const Vec3 back = Unit({position[0] - target[0], position[1] - target[1], position[2] - target[2]});
  const Vec3 right = Unit(Cross({0, 0, 1}, back));
  return {right, Cross(back, right), back};
}

}  // namespace

const char kFocal[] = R"("fl_x":10,"fl_y":11,"cx":3.5,"cy":3.25,)";

void MakeFolder(const std::string& path) {
  std::filesystem::create_directories(path);
}

void WritePng8(const std::string& path, int width, int height, int channels, const std::vector<std::uint8_t>& samples) {
  std::vector<float> values(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) values[i] = static_cast<float>(samples[i]) / 255.0f;
  Ok(WritePng(path, width, height, channels, 8, values, false));
}

void WriteJpeg(const std::string& path, int width, int height, JpegKind kind, const std::vector<std::uint8_t>& samples,
               bool progressive) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw std::runtime_error("cannot write " + path);
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.input_components = kind == JpegKind::kGrey ? 1 : kind == JpegKind::kColor ? 3 : 4;
  jpeg.in_color_space = kind == JpegKind::kGrey ? JCS_GRAYSCALE : kind == JpegKind::kColor ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 100, TRUE);
  jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  for (int y = 0; y < height; ++y) {
    auto* row = const_cast<JSAMPROW>(samples.data() + static_cast<std::ptrdiff_t>(y) * width * jpeg.input_components);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  std::fclose(file);
}

std::vector<std::uint8_t> Pattern(int width, int height, int channels, unsigned seed) {
  std::vector<std::uint8_t> samples(static_cast<std::size_t>(width * height * channels));
  unsigned state = seed * 2654435761u + 1;
  for (std::uint8_t& sample : samples) {
    state = state * 1664525u + 1013904223u;
    sample = static_cast<std::uint8_t>(state >> 24);
  }
  return samples;
}

std::string LookAtJson(const Vec3& position, const Vec3& target) {
  const Axes a = AxesOf(position, target);
  std::string text = "[";
  char row[200];
  for (std::size_t i = 0; i < 3; ++i) {
    std::snprintf(row, sizeof row, "[%.17g,%.17g,%.17g,%.17g],", a.right[i], a.up[i], a.back[i], position[i]);
    text += row;
  }
  return text + "[0,0,0,1]]";
}

Affine LookAt(const Vec3& position, const Vec3& target) {
  const Axes a = AxesOf(position, target);
  Affine result;
  for (std::size_t i = 0; i < 3; ++i) {
    result.m[4 * i] = a.right[i];
    result.m[4 * i + 1] = -a.up[i];
    result.m[4 * i + 2] = -a.back[i];
    result.m[4 * i + 3] = position[i];
  }
  return result;
}

void WriteTransforms(const TempFolder& folder, const std::string& top, const std::string& frame) {
  MakeFolder(folder / "images");
  const Vec3 target{1, 2, 3};
  std::string frames;
  for (unsigned i = 0; i < 4; ++i) {
    const std::string name = "images/" + std::to_string(i) + ".png";
    WritePng8(folder / name, 8, 6, 3, Pattern(8, 6, 3, i));
    const double angle = 1.2 * i, x = 1.2 * std::cos(angle), y = 1.2 * std::sin(angle);
    frames += std::string(i == 0 ? "" : ",") + R"({"file_path":")" + name + R"(",)" + (i == 0 ? frame : "") +
              R"("transform_matrix":)" + LookAtJson({1 + x, 2 + y, 3 + 1.6}, target) + "}";
  }
  WriteBytes(folder / "transforms.json", "{" + top + R"("frames":[)" + frames + "]}");
}

double Largest(const Affine& a, const Affine& b) {
  double largest = 0;
  for (std::size_t i = 0; i < 12; ++i) largest = std::max(largest, std::abs(a.m[i] - b.m[i]));
  return largest;
}

}  // namespace dvren::io::test
