#include "dvren/io/exr.h"

#include <ImfChannelList.h>
#include <ImfFrameBuffer.h>
#include <ImfHeader.h>
#include <ImfIO.h>
#include <ImfInputFile.h>
#include <ImfOutputFile.h>
#include <ImfTestFile.h>

#include <cstring>
#include <exception>
#include <set>

#include "byte_reader.h"
#include "printable.h"

namespace dvren::io {
namespace {

// The file is encoded in memory and then written in one place, atomically.
class MemoryOut : public Imf::OStream {
 public:
  MemoryOut() : Imf::OStream("memory") {}
  void write(const char data[], int bytes) override {
    const auto count = static_cast<std::size_t>(bytes);
    if (at_ + count > bytes_.size()) bytes_.resize(at_ + count);
    std::memcpy(bytes_.data() + at_, data, count);
    at_ += count;
  }
  std::uint64_t tellp() override { return at_; }
  void seekp(std::uint64_t at) override { at_ = at; }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
};

class MemoryIn : public Imf::IStream {
 public:
  MemoryIn(const Blob& blob, const std::string& name) : Imf::IStream(name.c_str()), blob_(blob) {}
  bool read(char data[], int bytes) override {
    const auto count = static_cast<std::uint64_t>(bytes);
    if (bytes < 0 || at_ > blob_.size() || count > blob_.size() - at_) throw std::runtime_error("cut short");
    std::memcpy(data, blob_.data() + at_, count);
    at_ += count;
    return at_ < blob_.size();
  }
  std::uint64_t tellg() override { return at_; }
  void seekg(std::uint64_t at) override { at_ = at; }
  void clear() override {}

 private:
  const Blob& blob_;
  std::uint64_t at_ = 0;
};

}  // namespace

absl::Status WriteExr(const std::string& path, int width, int height, const std::vector<ExrChannel>& channels,
                      FileOps& ops) {
  if (width < 1 || width > 65535) return InvalidField("width", width, "must be in 1 … 65535");
  if (height < 1 || height > 65535) return InvalidField("height", height, "must be in 1 … 65535");
  if (channels.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": channels: must be at least one"));
  const std::size_t pixels = static_cast<std::size_t>(width) * height;
  std::set<std::string> names;
  for (const ExrChannel& channel : channels) {
    if (channel.name.empty() || channel.name.size() > 31 || !names.insert(channel.name).second) {
      return InvalidField("channel", absl::StrCat("\"", channel.name, "\""),
                          "names must be unique, 1 to 31 bytes long");
    }
    if (channel.stride < 1 || channel.values.size() < (pixels - 1) * channel.stride + 1) {
      return InvalidField(absl::StrCat("channel ", channel.name), channel.values.size(),
                          absl::StrCat("must be floats for ", pixels, " pixels at a stride of ", channel.stride));
    }
  }
  MemoryOut out;
  try {
    Imf::Header header(width, height);
    header.compression() = Imf::ZIP_COMPRESSION;
    Imf::FrameBuffer frame;
    for (const ExrChannel& channel : channels) {
      header.channels().insert(channel.name, Imf::Channel(Imf::FLOAT));
      const std::size_t step = channel.stride * sizeof(float);
      // OpenEXR takes a non-const pointer for reading and writing alike; an OutputFile only reads.
      auto* base = reinterpret_cast<char*>(const_cast<float*>(channel.values.data()));
      frame.insert(channel.name, Imf::Slice(Imf::FLOAT, base, step, step * static_cast<std::size_t>(width)));
    }
    Imf::OutputFile file(out, header, 0);
    file.setFrameBuffer(frame);
    file.writePixels(height);
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat(path, ": cannot encode the EXR: ", e.what()));
  }
  return WriteFileAtomically(path, out.bytes(), ops);
}

absl::StatusOr<ExrImage> ReadExr(const std::string& path, std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(const Blob blob, ReadFile(path, path, max_bytes));
  const auto damaged = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a readable EXR: ", what));
  };
  try {
    MemoryIn in(blob, path);
    Imf::InputFile file(in, 0);
    const Imath::Box2i window = file.header().dataWindow();
    const std::int64_t width = std::int64_t{window.max.x} - window.min.x + 1;
    const std::int64_t height = std::int64_t{window.max.y} - window.min.y + 1;
    if (width < 1 || height < 1 || width > 65535 || height > 65535) {
      return damaged(absl::StrCat("a data window of ", width, " x ", height));
    }
    ExrImage image{static_cast<int>(width), static_cast<int>(height), {}};
    const std::uint64_t channel_bytes = static_cast<std::uint64_t>(width * height) * sizeof(float);
    Imf::FrameBuffer frame;
    std::uint64_t total = 0;
    const Imf::ChannelList& channels = file.header().channels();
    for (auto it = channels.begin(); it != channels.end(); ++it) {
      if (it.channel().type == Imf::UINT)
        return damaged(absl::StrCat("channel ", Printable(it.name()), " holds integers"));
      if (it.channel().xSampling != 1 || it.channel().ySampling != 1) {
        return damaged(absl::StrCat("channel ", Printable(it.name()), " is subsampled"));
      }
      total += channel_bytes;
      if (total > max_bytes) {
        return absl::ResourceExhaustedError(absl::StrCat(path, ": takes more than the ", max_bytes, " bytes allowed"));
      }
      std::vector<float>& values = image.channels[it.name()];
      values.resize(channel_bytes / sizeof(float));
      const std::size_t row = sizeof(float) * static_cast<std::size_t>(width);
      // Imf addresses a pixel by its window coordinates from `base`; Slice::Make does that without pointer overflow.
      frame.insert(it.name(), Imf::Slice::Make(Imf::FLOAT, values.data(), window, sizeof(float), row));
    }
    file.setFrameBuffer(frame);
    file.readPixels(window.min.y, window.max.y);
    return image;
  } catch (const std::exception& e) {
    return damaged(Printable(e.what()));
  }
}

}  // namespace dvren::io
