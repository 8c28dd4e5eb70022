#include "image_files.h"

#include <array>

#include "dvren/io/exr.h"
#include "dvren/io/npy.h"
#include "dvren/io/npz.h"
#include "dvren/io/png.h"
#include "output_path.h"

namespace dvren::ctl {
namespace {

const char* ExrName(v1::Aov aov) {
  switch (aov) {
    case v1::AOV_OPACITY:
      return "A";
    case v1::AOV_DEPTH:
      return "Z";
    case v1::AOV_TRANSMITTANCE:
      return "T";
    default:
      return "hit";
  }
}

absl::Status WriteExrFile(const std::string& path, const client::RenderedFrame& frame) {
  std::vector<io::ExrChannel> channels;
  for (const auto& [aov, image] : frame.images) {
    const std::span<const float> pixels(image.pixels);
    if (aov == v1::AOV_RGB) {
      channels.push_back({"R", pixels, 3});
      channels.push_back({"G", pixels.subspan(1), 3});
      channels.push_back({"B", pixels.subspan(2), 3});
    } else {
      channels.push_back({ExrName(aov), pixels, 1});
    }
  }
  const client::Image& rgb = frame.images.at(v1::AOV_RGB);
  return io::WriteExr(path, rgb.width, rgb.height, channels);
}

absl::Status WriteNpzFile(const std::string& path, const client::RenderedFrame& frame) {
  const client::Image& rgb = frame.images.at(v1::AOV_RGB);
  const std::array<std::int64_t, 3> shape{rgb.height, rgb.width, 3};
  std::vector<std::pair<std::string, io::NpyView>> arrays;
  for (const auto& [aov, image] : frame.images) {
    const std::span<const std::int64_t> extents(shape.data(), aov == v1::AOV_RGB ? 3 : 2);
    arrays.push_back({client::AovName(aov), {DType::kF32, extents, image.pixels.data()}});
  }
  return io::WriteNpz(path, arrays);
}

}  // namespace

absl::Status CheckImageFile(const std::string& path, const std::vector<v1::Aov>& aovs, int bits,
                            const std::string& color_space) {
  const std::string extension = LowerExtension(path);
  if (extension != ".png" && extension != ".exr" && extension != ".npy" && extension != ".npz") {
    return InvalidField("--out", path, "must end in .png, .exr, .npy or .npz");
  }
  if (bits != 0 && extension != ".png") {
    return InvalidField("--bits", bits, absl::StrCat("is for .png; ", extension, " holds 32-bit floats"));
  }
  if (!color_space.empty() && extension != ".png") {
    return InvalidField("--color-space", color_space,
                        absl::StrCat("is for .png; ", extension, " holds the colours as they are"));
  }
  if (!color_space.empty() && color_space != "linear" && color_space != "srgb") {
    return InvalidField("--color-space", color_space, "must be linear or srgb");
  }
  if (bits != 0 && bits != 8 && bits != 16) return InvalidField("--bits", bits, "must be 8 or 16");
  if (extension == ".png" || extension == ".npy") {
    for (const v1::Aov aov : aovs) {
      if (aov != v1::AOV_RGB) {
        return InvalidField("--aov", client::AovName(aov),
                            absl::StrCat(extension, " holds colour alone; write .exr or .npz"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status WriteImageFile(const std::string& path, const client::RenderedFrame& frame, int bits,
                            const std::string& color_space) {
  const std::string extension = LowerExtension(path);
  const client::Image& rgb = frame.images.at(v1::AOV_RGB);
  if (extension == ".png") {
    const bool encode = color_space != "srgb";
    return io::WritePng(path, rgb.width, rgb.height, 3, bits == 0 ? 8 : bits, rgb.pixels, encode);
  }
  if (extension == ".exr") return WriteExrFile(path, frame);
  if (extension == ".npz") return WriteNpzFile(path, frame);
  const std::array<std::int64_t, 3> shape{rgb.height, rgb.width, 3};
  return io::WriteNpy(path, {DType::kF32, shape, rgb.pixels.data()});
}

}  // namespace dvren::ctl
