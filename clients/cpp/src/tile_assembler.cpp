#include "tile_assembler.h"

#include <algorithm>

#include "tensor_decode.h"

namespace dvren::client {

std::uint64_t TileAssembler::pixels_total() const {
  return static_cast<std::uint64_t>(header_.roi().width()) * static_cast<std::uint64_t>(header_.roi().height());
}

absl::Status TileAssembler::Begin(v1::RenderHeader header) {
  header_ = std::move(header);
  const v1::Roi& roi = header_.roi();
  if (roi.width() < 1 || roi.height() < 1)
    return absl::InternalError(absl::StrCat(method_, ": the daemon's header has no ROI"));
  DVREN_ASSIGN_OR_RETURN(targets_, make_targets_(header_));
  for (const AovBuffer& target : targets_) {
    const std::uint64_t want = pixels_total() * static_cast<std::uint64_t>(AovChannels(target.aov));
    const std::uint64_t have =
        std::visit([](const auto& pixels) { return std::uint64_t{pixels.size()}; }, target.pixels);
    if (have != want) {
      return InvalidField(absl::StrCat("targets.", AovName(target.aov)), absl::StrCat(have, " values"),
                          absl::StrCat("must be ", want, " for ", roi.width(), " x ", roi.height(), " pixels"));
    }
  }
  return absl::OkStatus();
}

absl::Status TileAssembler::Add(const v1::RenderTile& tile) {
  const v1::Roi& whole = header_.roi();
  const v1::Roi& part = tile.roi();
  const std::int64_t x = std::int64_t{part.x()} - whole.x(), y = std::int64_t{part.y()} - whole.y();
  if (part.width() < 1 || part.height() < 1 || x < 0 || y < 0 || x + part.width() > whole.width() ||
      y + part.height() > whole.height()) {
    return absl::InternalError(
        absl::StrCat(method_, ": a tile lies outside the image; client and daemon do not fit, use the same version"));
  }
  for (const AovBuffer& target : targets_) {
    const auto image = std::find_if(tile.images().begin(), tile.images().end(),
                                    [&](const v1::AovTensor& candidate) { return candidate.aov() == target.aov; });
    if (image == tile.images().end()) {
      return absl::InternalError(absl::StrCat(method_, ": a tile lacks ", AovName(target.aov),
                                              "; client and daemon do not fit, use the same version"));
    }
    const auto channels = static_cast<std::size_t>(AovChannels(target.aov));
    const std::size_t row = static_cast<std::size_t>(part.width()) * channels;
    DVREN_RETURN_IF_ERROR(
        CheckTensor(image->tensor(), row * static_cast<std::size_t>(part.height()), AovName(target.aov)));
    const std::size_t stride = static_cast<std::size_t>(whole.width()) * channels;
    const std::size_t first = static_cast<std::size_t>(y) * stride + static_cast<std::size_t>(x) * channels;
    std::visit(
        [&](const auto& pixels) {
          for (std::size_t r = 0; r < static_cast<std::size_t>(part.height()); ++r) {
            CopyElements(image->tensor(), r * row, row, pixels.data() + first + r * stride);
          }
        },
        target.pixels);
  }
  pixels_done_ += static_cast<std::uint64_t>(part.width()) * static_cast<std::uint64_t>(part.height());
  if (progress_) progress_(pixels_done_, pixels_total());
  return absl::OkStatus();
}

absl::Status TileAssembler::CheckComplete(bool summarised) const {
  if (pixels_done_ == pixels_total() && summarised) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(method_, ": the stream ended after ", pixels_done_, " of ", pixels_total(),
                                          " pixels; render again"));
}

std::vector<AovBuffer> AllocateImages(const v1::Roi& roi, const google::protobuf::RepeatedField<int>& aovs,
                                      std::map<v1::Aov, Image>& images) {
  std::vector<AovBuffer> buffers;
  const auto add = [&](v1::Aov aov) {
    Image& image = images[aov];
    image.width = roi.width();
    image.height = roi.height();
    image.channels = AovChannels(aov);
    image.pixels.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
                        static_cast<std::size_t>(image.channels));
    buffers.push_back({aov, std::span<float>(image.pixels)});
  };
  for (const int aov : aovs) add(static_cast<v1::Aov>(aov));
  if (aovs.empty()) add(v1::AOV_RGB);
  return buffers;
}

}  // namespace dvren::client
