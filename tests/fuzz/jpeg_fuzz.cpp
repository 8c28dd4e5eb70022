// ReadJpeg on arbitrary bytes: an error of one line, or an image of the size that its header says.
#include <cstdlib>

#include "dvren/io/jpeg.h"
#include "fuzz_target.h"
#include "scratch_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ScratchFolder folder;
  const std::string path = folder.Write("image.jpg", data, size);
  const auto header = dvren::io::ReadJpegHeader(path);
  const auto image = dvren::io::ReadJpeg(path, std::uint64_t{1} << 24);
  if (!image.ok()) {
    if (image.status().message().empty() || image.status().message().find('\n') != absl::string_view::npos)
      std::abort();
    return 0;
  }
  if (!header.ok()) std::abort();
  const auto samples = static_cast<std::uint64_t>(image->header.width) *
                       static_cast<std::uint64_t>(image->header.height) *
                       static_cast<std::uint64_t>(image->header.channels);
  if (image->samples.size() != samples || (image->header.channels != 1 && image->header.channels != 3)) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  // Grey, 8 x 8, baseline: one block of one value, with the shortest tables.
  const auto segment = [](unsigned char marker, const std::string& content) {
    const std::size_t size = content.size() + 2;
    return std::string("\xFF") + static_cast<char>(marker) + static_cast<char>(size >> 8) +
           static_cast<char>(size & 255) + content;
  };
  const std::string quantisation = std::string(1, '\0') + std::string(64, '\1');
  const std::string frame("\x08\x00\x08\x00\x08\x01\x01\x11\x00", 9);
  const auto huffman = [](char kind) {
    return std::string(1, kind) + std::string("\x01") + std::string(15, '\0') + '\0';
  };
  const std::string scan("\x01\x01\x00\x00\x3F\x00", 6);
  const std::string file = "\xFF\xD8" + segment(0xDB, quantisation) + segment(0xC0, frame) + segment(0xC4, huffman(0)) +
                           segment(0xC4, huffman(0x10)) + segment(0xDA, scan) + "\x3F\xFF\xD9";
  std::string progressive = file;
  progressive[progressive.find("\xFF\xC0") + 1] = '\xC2';
  return {file, progressive};
}
