#include "dataset_image.h"

#include <array>
#include <cstring>

#include "byte_reader.h"
#include "dvren/io/jpeg.h"
#include "dvren/io/png.h"

namespace dvren::io {
namespace {

constexpr std::array<std::uint8_t, 8> kPngSignature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::array<std::uint8_t, 3> kJpegSignature{0xff, 0xd8, 0xff};

enum class Kind : std::uint8_t { kOther, kPng, kJpeg };

absl::StatusOr<Kind> KindOf(FileReader& file) {
  std::array<std::uint8_t, 8> first{};
  DVREN_RETURN_IF_ERROR(file.ReadAt(0, first.data(), std::min<std::uint64_t>(first.size(), file.size())));
  if (first == kPngSignature) return Kind::kPng;
  if (std::memcmp(first.data(), kJpegSignature.data(), kJpegSignature.size()) == 0) return Kind::kJpeg;
  return Kind::kOther;
}

absl::Status NoImage(const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": is neither PNG nor JPEG"));
}

std::uint32_t BigEndian(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

// Width, height and channels as ReadPng will hand them out. A chunk is its length, four letters, data, CRC; the first
// is IHDR, and tRNS, which is alpha too, stands before the pixels in IDAT.
absl::StatusOr<ImageHeader> ReadPngHeader(FileReader& file) {
  const auto damaged = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(file.name(), ": not a readable PNG: ", what));
  };
  std::array<std::uint8_t, 18> start{};
  DVREN_RETURN_IF_ERROR(file.ReadAt(8, start.data(), start.size()));
  if (BigEndian(start.data()) != 13 || std::memcmp(&start[4], "IHDR", 4) != 0) return damaged("IHDR is not first");
  const std::uint32_t width = BigEndian(&start[8]), height = BigEndian(&start[12]);
  if (width < 1 || height < 1 || width > 65535 || height > 65535) {
    return damaged(absl::StrCat(width, "x", height, " pixels: must be 1 … 65535 on each edge"));
  }
  ImageHeader header{static_cast<int>(width), static_cast<int>(height), 3};
  const bool alpha = (start[17] & 4) != 0;  // of the colour type
  for (std::uint64_t at = 8; !alpha && header.channels == 3;) {
    std::array<std::uint8_t, 8> chunk{};
    DVREN_RETURN_IF_ERROR(file.ReadAt(at, chunk.data(), chunk.size()));
    if (std::memcmp(&chunk[4], "IDAT", 4) == 0) break;
    if (std::memcmp(&chunk[4], "tRNS", 4) == 0) header.channels = 4;
    at += std::uint64_t{12} + BigEndian(chunk.data());
  }
  if (alpha) header.channels = 4;
  return header;
}

// `top` is the largest sample, 255 or 65535.
std::uint16_t Scale(std::uint32_t sample, std::uint32_t top) {
  return static_cast<std::uint16_t>(sample * (65535 / top));
}
std::uint16_t Premultiply(std::uint32_t color, std::uint32_t alpha, std::uint32_t top) {
  // color * alpha * 65535 / top^2, to the nearest; top is odd, so that no halves occur.
  const std::uint64_t product = std::uint64_t{color} * alpha * (65535 / top);
  return static_cast<std::uint16_t>((2 * product + top) / (2 * std::uint64_t{top}));
}

// Samples of `channels` 1, 3 or 4 to `out_channels` 3 or 4.
template <class T>
std::vector<std::uint16_t> Values(const std::vector<T>& samples, int channels, int out_channels, std::uint32_t top) {
  const std::size_t pixels = samples.size() / static_cast<std::size_t>(channels);
  std::vector<std::uint16_t> values(pixels * static_cast<std::size_t>(out_channels));
  const T* from = samples.data();
  std::uint16_t* to = values.data();
  for (std::size_t i = 0; i < pixels; ++i, from += channels, to += out_channels) {
    if (channels == 4) {
      for (int c = 0; c < 3; ++c) to[c] = Premultiply(from[c], from[3], top);
      to[3] = Scale(from[3], top);
    } else {
      for (int c = 0; c < 3; ++c) to[c] = Scale(from[channels == 1 ? 0 : c], top);
    }
  }
  return values;
}

}  // namespace

absl::StatusOr<ImageHeader> ReadImageHeader(const std::string& path) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> file, FileReader::Open(path, path));
  DVREN_ASSIGN_OR_RETURN(const Kind kind, KindOf(*file));
  if (kind == Kind::kPng) return ReadPngHeader(*file);
  if (kind == Kind::kOther) return NoImage(path);
  DVREN_ASSIGN_OR_RETURN(const JpegHeader header, ReadJpegHeader(path));
  return ImageHeader{header.width, header.height, 3};
}

absl::StatusOr<std::vector<std::uint16_t>> ReadImageValues(const std::string& path, const ImageHeader& header,
                                                           std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> file, FileReader::Open(path, path));
  DVREN_ASSIGN_OR_RETURN(const Kind kind, KindOf(*file));
  file.reset();
  const auto check = [&](int width, int height, int channels) {
    if (width == header.width && height == header.height && (channels == 4) == (header.channels == 4)) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat(path, ": has changed while it was read: try again"));
  };
  if (kind == Kind::kPng) {
    DVREN_ASSIGN_OR_RETURN(const PngImage png, ReadPng(path, max_bytes));
    DVREN_RETURN_IF_ERROR(check(png.width, png.height, png.channels));
    return Values(png.samples, png.channels, header.channels, png.bits == 8 ? 255 : 65535);
  }
  if (kind == Kind::kOther) return NoImage(path);
  DVREN_ASSIGN_OR_RETURN(const JpegImage jpeg, ReadJpeg(path, max_bytes));
  DVREN_RETURN_IF_ERROR(check(jpeg.header.width, jpeg.header.height, jpeg.header.channels));
  return Values(jpeg.samples, jpeg.header.channels, header.channels, 255);
}

}  // namespace dvren::io
