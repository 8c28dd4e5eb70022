#include "dvren/io/dataset_reader.h"

namespace dvren::io {

absl::Status ScaleDown(int factor, Photo* photo) {
  if (factor != 1 && factor != 2 && factor != 4 && factor != 8) {
    return InvalidField("downscale", factor, "must be 1, 2, 4 or 8");
  }
  if (factor == 1) return absl::OkStatus();
  PhotoCamera& camera = photo->camera;
  if (camera.width % factor != 0 || camera.height % factor != 0) {
    return absl::InvalidArgumentError(absl::StrCat(photo->name, ": ", camera.width, "x", camera.height,
                                                   " pixels cannot be divided by downscale = ", factor,
                                                   ": crop the image, or use a smaller downscale"));
  }
  const auto channels = static_cast<std::size_t>(photo->channels), square = static_cast<std::size_t>(factor);
  const std::size_t width = static_cast<std::size_t>(camera.width) / square;
  const std::size_t height = static_cast<std::size_t>(camera.height) / square, row = width * square * channels;
  if (photo->values.size() != row * height * square) {
    return InvalidField("values", photo->values.size(), absl::StrCat("must be ", row * height * square, " numbers"));
  }
  const auto area = static_cast<std::uint32_t>(factor * factor);
  std::vector<std::uint16_t> values(width * height * channels);
  std::uint16_t* to = values.data();
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      for (std::size_t c = 0; c < channels; ++c) {
        std::uint32_t sum = 0;  // of at most 64 values of 16 bits
        for (std::size_t j = 0; j < square; ++j) {
          const std::uint16_t* from = photo->values.data() + (y * square + j) * row + x * square * channels + c;
          for (std::size_t i = 0; i < square; ++i) sum += from[i * channels];
        }
        *to++ = static_cast<std::uint16_t>((sum + area / 2) / area);
      }
    }
  }
  photo->values = std::move(values);
  camera.width /= factor;
  camera.height /= factor;
  camera.fx /= factor;
  camera.fy /= factor;
  camera.cx /= factor;
  camera.cy /= factor;
  return absl::OkStatus();
}

}  // namespace dvren::io
