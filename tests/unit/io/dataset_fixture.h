// Small datasets for the tests of dvren/io/dataset_reader.h: images of chosen bytes, cameras as JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dvren/io/dataset_reader.h"
#include "io_fixture.h"

namespace dvren::io::test {

void MakeFolder(const std::string& path);

// 8-bit samples, C order (height, width, channels).
void WritePng8(const std::string& path, int width, int height, int channels, const std::vector<std::uint8_t>& samples);

enum class JpegKind { kGrey, kColor, kCmyk };
// Quality 100 without chroma subsampling. Samples have 1, 3 or 4 channels.
void WriteJpeg(const std::string& path, int width, int height, JpegKind kind, const std::vector<std::uint8_t>& samples,
               bool progressive = false);

// Samples that differ from pixel to pixel and from `seed` to `seed`.
[[nodiscard]] std::vector<std::uint8_t> Pattern(int width, int height, int channels, unsigned seed);

// "[[…], …]" of the columns right, up, back and position of a camera that looks from `position` at `target`, +z up.
[[nodiscard]] std::string LookAtJson(const Vec3& position, const Vec3& target);
// The same in OpenCV's axes, from the definition.
[[nodiscard]] Affine LookAt(const Vec3& position, const Vec3& target);

// transforms.json with four 8x6 PNG images in images/, whose optical axes meet in (1, 2, 3), each 2 from it.
// `top` are keys that stand before frames ("" or "…,"); `frame` the same in the first frame.
void WriteTransforms(const TempFolder& folder, const std::string& top, const std::string& frame = "");
// Intrinsics of the above: "\"fl_x\":10,\"fl_y\":11,\"cx\":3.5,\"cy\":3.25,".
extern const char kFocal[];

[[nodiscard]] double Largest(const Affine& a, const Affine& b);  // difference

}  // namespace dvren::io::test
