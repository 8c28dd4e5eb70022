#include "dvren/io/png.h"

#include <png.h>

#include <cmath>
#include <csetjmp>
#include <cstring>
#include <limits>

#include "byte_reader.h"

namespace dvren::io {
namespace {

// What libpng's callbacks work on. libpng leaves by longjmp, so the functions that call setjmp hold nothing that has a
// destructor: everything lives here, with the caller.
struct Session {
  std::string message;
  std::vector<std::byte> bytes;  // the file, written or read
  std::size_t at = 0;            // reading position
  std::vector<png_bytep> rows;
  std::vector<std::uint8_t> pixels;
  png_uint_32 width = 0, height = 0;
  int channels = 0, bits = 0;
  std::uint64_t max_bytes = 0;
  bool too_big = false;
};

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  static_cast<Session*>(png_get_error_ptr(png))->message = message;
  png_longjmp(png, 1);
}
void OnWarning(png_structp, png_const_charp) {}
void OnFlush(png_structp) {}

void OnWrite(png_structp png, png_bytep data, png_size_t size) {
  auto* session = static_cast<Session*>(png_get_io_ptr(png));
  const auto* from = reinterpret_cast<const std::byte*>(data);
  session->bytes.insert(session->bytes.end(), from, from + size);
}

void OnRead(png_structp png, png_bytep data, png_size_t size) {
  auto* session = static_cast<Session*>(png_get_io_ptr(png));
  if (size > session->bytes.size() - session->at) png_error(png, "cut short");
  std::memcpy(data, session->bytes.data() + session->at, size);
  session->at += size;
}

bool Encode(Session* session, bool srgb) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, session, OnError, OnWarning);
  if (png == nullptr) return false;
  png_infop info = png_create_info_struct(png);
  if (info == nullptr || setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_set_write_fn(png, session, OnWrite, OnFlush);
  const int color = session->channels == 1   ? PNG_COLOR_TYPE_GRAY
                    : session->channels == 3 ? PNG_COLOR_TYPE_RGB
                                             : PNG_COLOR_TYPE_RGBA;
  png_set_IHDR(png, info, session->width, session->height, session->bits, color, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (srgb) png_set_sRGB_gAMA_and_cHRM(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
  png_write_info(png, info);
  if (session->bits == 16) png_set_swap(png);  // PNG is big-endian
  png_write_image(png, session->rows.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return true;
}

bool Decode(Session* session) {
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, session, OnError, OnWarning);
  if (png == nullptr) return false;
  png_infop info = png_create_info_struct(png);
  if (info == nullptr || setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, nullptr);
    return false;
  }
  png_set_read_fn(png, session, OnRead);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_read_info(png, info);
  png_set_expand(png);  // palette to RGB, fewer bits to 8, tRNS to alpha
  if (png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY_ALPHA ||
      (png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY && png_get_valid(png, info, PNG_INFO_tRNS))) {
    png_set_gray_to_rgb(png);
  }
  if (png_get_bit_depth(png, info) == 16) png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  session->width = png_get_image_width(png, info);
  session->height = png_get_image_height(png, info);
  session->channels = png_get_channels(png, info);
  session->bits = png_get_bit_depth(png, info);
  const std::uint64_t row_bytes = png_get_rowbytes(png, info);
  // Twice: the samples are handed out as 16 bits each.
  if (row_bytes * session->height > session->max_bytes / 2) {
    session->too_big = true;
    png_error(png, "too big");
  }
  session->pixels.resize(row_bytes * session->height);
  session->rows.resize(session->height);
  for (png_uint_32 y = 0; y < session->height; ++y) session->rows[y] = session->pixels.data() + y * row_bytes;
  png_read_image(png, session->rows.data());
  png_read_end(png, nullptr);
  png_destroy_read_struct(&png, &info, nullptr);
  return true;
}

// `value` in [0, 1] to the nearest of `top` steps.
std::uint16_t Quantise(double value, double top) {
  const double clamped = value > 0 ? (value < 1 ? value : 1.0) : 0.0;
  return static_cast<std::uint16_t>(std::floor(clamped * top + 0.5));
}

}  // namespace

absl::Status WritePng(const std::string& path, int width, int height, int channels, int bits,
                      std::span<const float> values, bool srgb_encode, FileOps& ops) {
  if (width < 1 || width > 65535) return InvalidField("width", width, "must be in 1 … 65535");
  if (height < 1 || height > 65535) return InvalidField("height", height, "must be in 1 … 65535");
  if (channels != 1 && channels != 3 && channels != 4) return InvalidField("channels", channels, "must be 1, 3 or 4");
  if (bits != 8 && bits != 16) return InvalidField("bits", bits, "must be 8 or 16");
  const std::size_t row = static_cast<std::size_t>(width) * channels, count = row * height;
  if (values.size() != count) return InvalidField("values", values.size(), absl::StrCat("must be ", count, " floats"));

  Session session;
  session.width = static_cast<png_uint_32>(width);
  session.height = static_cast<png_uint_32>(height);
  session.channels = channels;
  session.bits = bits;
  session.pixels.resize(count * (bits / 8));
  const double top = bits == 8 ? 255.0 : 65535.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double value = static_cast<double>(values[i]);
    if (std::isnan(value)) {
      const std::size_t pixel = i / channels;
      return absl::InvalidArgumentError(absl::StrCat(path, ": pixel (", pixel % width, ", ", pixel / width,
                                                     ") channel ", i % channels, " is NaN: cannot be written as PNG"));
    }
    const bool encode = srgb_encode && i % channels < 3;  // alpha is no light
    const std::uint16_t sample = Quantise(encode && value > 0 && value < 1 ? SrgbEncode(value) : value, top);
    if (bits == 8) {
      session.pixels[i] = static_cast<std::uint8_t>(sample);
    } else {
      std::memcpy(&session.pixels[2 * i], &sample, 2);
    }
  }
  session.rows.resize(session.height);
  for (int y = 0; y < height; ++y) session.rows[y] = session.pixels.data() + y * row * (bits / 8);
  if (!Encode(&session, srgb_encode)) {
    return absl::InternalError(absl::StrCat(path, ": cannot encode the PNG: ", session.message));
  }
  return WriteFileAtomically(path, session.bytes, ops);
}

absl::StatusOr<PngImage> ReadPng(const std::string& path, std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> file, FileReader::Open(path, path));
  const auto too_big = [&] {
    return absl::ResourceExhaustedError(absl::StrCat(path, ": takes more than the ", max_bytes, " bytes allowed"));
  };
  if (file->size() > max_bytes) return too_big();
  Session session;
  session.max_bytes = max_bytes;
  session.bytes.resize(file->size());
  DVREN_RETURN_IF_ERROR(file->ReadAt(0, session.bytes.data(), session.bytes.size()));
  if (!Decode(&session)) {
    if (session.too_big) return too_big();
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a readable PNG: ", session.message));
  }
  PngImage image{static_cast<int>(session.width), static_cast<int>(session.height), session.channels, session.bits, {}};
  if (image.bits == 8) {
    image.samples.assign(session.pixels.begin(), session.pixels.end());
  } else {
    image.samples.resize(session.pixels.size() / 2);
    std::memcpy(image.samples.data(), session.pixels.data(), session.pixels.size());
  }
  return image;
}

}  // namespace dvren::io
