#include "dvren/io/image.h"

#include "dvren/io/png.h"

namespace dvren::io {

Image ToImage(const PngImage& png, bool srgb_decode) {
  Image image{png.width, png.height, png.channels, {}};
  image.values.resize(png.samples.size());
  const double top = png.bits == 8 ? 255.0 : 65535.0;
  for (std::size_t i = 0; i < png.samples.size(); ++i) {
    const double stored = png.samples[i] / top;
    const bool decode = srgb_decode && i % png.channels < 3;
    image.values[i] = static_cast<float>(decode ? SrgbDecode(stored) : stored);
  }
  return image;
}

}  // namespace dvren::io
