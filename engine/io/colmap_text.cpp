// cameras.txt and images.txt: one camera per line, two lines per image, the second of which (its points) may be empty.
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "byte_reader.h"
#include "colmap_model.h"
#include "printable.h"

namespace dvren::io {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{4} << 30;  // lists of points are long

// Lines of a file, with their numbers from 1.
class Lines {
 public:
  static absl::StatusOr<Lines> Open(const std::string& folder, const std::string& file) {
    DVREN_ASSIGN_OR_RETURN(const std::string path, ResolveBelow(folder, file));
    DVREN_ASSIGN_OR_RETURN(Blob blob, ReadFile(path, file, kMostBytes));
    return Lines(std::move(blob), file);
  }
  [[nodiscard]] bool Next(absl::string_view* line) {
    if (at_ >= text_.size()) return false;
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    *line = absl::StripAsciiWhitespace(text_.substr(at_, end - at_));
    at_ = end + 1;
    ++number_;
    return true;
  }
  // The next that is neither empty nor a comment.
  [[nodiscard]] bool NextEntry(absl::string_view* line) {
    while (Next(line)) {
      if (!line->empty() && line->front() != '#') return true;
    }
    return false;
  }
  [[nodiscard]] std::string where() const { return absl::StrCat(file_, ": line ", number_); }

 private:
  Lines(Blob blob, std::string file)
      : blob_(std::move(blob)),
        text_(reinterpret_cast<const char*>(blob_.data()), blob_.size()),
        file_(std::move(file)) {}
  Blob blob_;  // shared: text_ stays where it is when this is moved
  absl::string_view text_;
  std::string file_;
  std::size_t at_ = 0;
  std::int64_t number_ = 0;
};

template <class T>
absl::Status Parse(const Lines& lines, absl::string_view word, const char* what, T* to) {
  bool right = false;
  if constexpr (std::is_same_v<T, double>) {
    right = absl::SimpleAtod(word, to);
  } else {
    right = absl::SimpleAtoi(word, to);
  }
  if (right) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(lines.where(), ": ", what, " = ", Printable(word), ": must be a ",
                                                 std::is_same_v<T, double> ? "number" : "whole number"));
}

absl::Status TooFew(const Lines& lines, const char* form) {
  return absl::InvalidArgumentError(absl::StrCat(lines.where(), ": must be ", form));
}

absl::Status ReadCameras(const std::string& folder, const std::string& file, ColmapCameras* cameras) {
  DVREN_ASSIGN_OR_RETURN(Lines lines, Lines::Open(folder, file));
  for (absl::string_view line; lines.NextEntry(&line);) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() < 4) return TooFew(lines, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS…");
    std::uint32_t id = 0;
    std::uint64_t width = 0, height = 0;
    DVREN_RETURN_IF_ERROR(Parse(lines, words[0], "CAMERA_ID", &id));
    DVREN_RETURN_IF_ERROR(Parse(lines, words[2], "WIDTH", &width));
    DVREN_RETURN_IF_ERROR(Parse(lines, words[3], "HEIGHT", &height));
    std::vector<double> parameters(words.size() - 4);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      DVREN_RETURN_IF_ERROR(Parse(lines, words[i + 4], "parameter", &parameters[i]));
    }
    DVREN_RETURN_IF_ERROR(
        AddColmapCamera(lines.where(), id, std::string(words[1]), width, height, parameters, cameras));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadColmapText(const std::string& folder, const std::string& model, Listing* listing) {
  const std::string prefix = model.empty() ? "" : model + "/";
  ColmapCameras cameras;
  DVREN_RETURN_IF_ERROR(ReadCameras(folder, prefix + "cameras.txt", &cameras));
  DVREN_ASSIGN_OR_RETURN(Lines lines, Lines::Open(folder, prefix + "images.txt"));
  for (absl::string_view line; lines.NextEntry(&line);) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() < 10) return TooFew(lines, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME");
    ColmapImage image;
    for (std::size_t i = 0; i < 4; ++i) DVREN_RETURN_IF_ERROR(Parse(lines, words[1 + i], "Q", &image.rotation[i]));
    for (std::size_t i = 0; i < 3; ++i) DVREN_RETURN_IF_ERROR(Parse(lines, words[5 + i], "T", &image.translation[i]));
    DVREN_RETURN_IF_ERROR(Parse(lines, words[8], "CAMERA_ID", &image.camera_id));
    image.name = std::string(line.substr(static_cast<std::size_t>(words[9].data() - line.data())));  // may hold blanks
    DVREN_RETURN_IF_ERROR(AddColmapImage(lines.where(), image, cameras, listing));
    absl::string_view points;
    if (!lines.Next(&points)) break;
  }
  return absl::OkStatus();
}

}  // namespace dvren::io
