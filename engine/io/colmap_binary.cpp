// cameras.bin and images.bin: little-endian, without padding. Every count is held against what the file still has.
#include <array>
#include <bit>
#include <cstring>

#include "byte_reader.h"
#include "colmap_model.h"

namespace dvren::io {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t kLongestName = 4096;

class Cursor {
 public:
  explicit Cursor(ByteReader& file) : file_(file) {}
  [[nodiscard]] std::uint64_t left() const { return file_.size() - at_; }
  template <class T>
  [[nodiscard]] absl::Status Read(T* to) {
    DVREN_RETURN_IF_ERROR(file_.ReadAt(at_, to, sizeof(T)));
    at_ += sizeof(T);
    return absl::OkStatus();
  }
  // Up to a zero byte, which is read too.
  [[nodiscard]] absl::Status ReadName(const std::string& where, std::string* name) {
    std::array<char, kLongestName> text{};
    const std::uint64_t length = std::min<std::uint64_t>(text.size(), left());
    DVREN_RETURN_IF_ERROR(file_.ReadAt(at_, text.data(), length));
    const void* end = std::memchr(text.data(), 0, length);
    if (end == nullptr) return absl::InvalidArgumentError(absl::StrCat(where, ": name: does not end"));
    name->assign(text.data());
    at_ += name->size() + 1;
    return absl::OkStatus();
  }
  [[nodiscard]] absl::Status Skip(const std::string& where, std::uint64_t count, std::uint64_t bytes_each) {
    if (count > left() / bytes_each) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": ", count, " points do not fit the file: it is cut short"));
    }
    at_ += count * bytes_each;
    return absl::OkStatus();
  }

 private:
  ByteReader& file_;
  std::uint64_t at_ = 0;
};

absl::Status CheckCount(const std::string& file, std::uint64_t count, std::uint64_t least_bytes, const Cursor& cursor) {
  if (count > cursor.left() / least_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": says ", count, " entries, more than its size can hold: it is cut short or damaged"));
  }
  return absl::OkStatus();
}

absl::Status ReadCameras(const std::string& folder, const std::string& file, ColmapCameras* cameras) {
  DVREN_ASSIGN_OR_RETURN(const std::string path, ResolveBelow(folder, file));
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> reader, FileReader::Open(path, file));
  Cursor cursor(*reader);
  std::uint64_t count = 0;
  DVREN_RETURN_IF_ERROR(cursor.Read(&count));
  DVREN_RETURN_IF_ERROR(CheckCount(file, count, 24, cursor));
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string where = absl::StrCat(file, ": camera number ", i);
    std::uint32_t id = 0;
    std::int32_t model = 0;
    std::uint64_t width = 0, height = 0;
    DVREN_RETURN_IF_ERROR(cursor.Read(&id));
    DVREN_RETURN_IF_ERROR(cursor.Read(&model));
    DVREN_RETURN_IF_ERROR(cursor.Read(&width));
    DVREN_RETURN_IF_ERROR(cursor.Read(&height));
    const std::string name = ColmapModelName(model);
    DVREN_ASSIGN_OR_RETURN(const std::size_t parameters,
                           ColmapParameters(name.empty() ? absl::StrCat(model) : name, where));
    std::array<double, 8> values{};
    for (std::size_t k = 0; k < parameters; ++k) DVREN_RETURN_IF_ERROR(cursor.Read(&values[k]));
    DVREN_RETURN_IF_ERROR(
        AddColmapCamera(where, id, name, width, height, std::span(values).first(parameters), cameras));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadColmapBinary(const std::string& folder, const std::string& model, Listing* listing) {
  const std::string prefix = model.empty() ? "" : model + "/";
  ColmapCameras cameras;
  DVREN_RETURN_IF_ERROR(ReadCameras(folder, prefix + "cameras.bin", &cameras));
  const std::string file = prefix + "images.bin";
  DVREN_ASSIGN_OR_RETURN(const std::string path, ResolveBelow(folder, file));
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> reader, FileReader::Open(path, file));
  Cursor cursor(*reader);
  std::uint64_t count = 0;
  DVREN_RETURN_IF_ERROR(cursor.Read(&count));
  DVREN_RETURN_IF_ERROR(CheckCount(file, count, 73, cursor));
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint32_t id = 0;
    ColmapImage image;
    std::uint64_t points = 0;
    DVREN_RETURN_IF_ERROR(cursor.Read(&id));
    const std::string where = absl::StrCat(file, ": image ", id);
    DVREN_RETURN_IF_ERROR(cursor.Read(&image.rotation));
    DVREN_RETURN_IF_ERROR(cursor.Read(&image.translation));
    DVREN_RETURN_IF_ERROR(cursor.Read(&image.camera_id));
    DVREN_RETURN_IF_ERROR(cursor.ReadName(where, &image.name));
    DVREN_RETURN_IF_ERROR(cursor.Read(&points));
    DVREN_RETURN_IF_ERROR(cursor.Skip(where, points, 24));  // x, y, number of the point
    DVREN_RETURN_IF_ERROR(AddColmapImage(where, image, cameras, listing));
  }
  return absl::OkStatus();
}

}  // namespace dvren::io
