#include "server/codec/adjoint_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace dvren::server {
namespace {

// The AOVs that have a gradient, by their number on the wire; `path` names the message.
absl::StatusOr<AovChannel> ChannelOf(v1::Aov aov, const std::string& path) {
  for (const AovChannel& channel : ChannelsOf(kAovRgb | kAovOpacity | kAovTransmittance | kAovDepth)) {
    if (channel.aov == aov) return channel;
  }
  const std::string name = v1::Aov_IsValid(aov) ? v1::Aov_Name(aov) : absl::StrCat(static_cast<int>(aov));
  return InvalidField(path, name, "must be RGB, OPACITY, TRANSMITTANCE or DEPTH; others have no gradient");
}

const char* NameOf(const AovChannel& channel) {
  switch (channel.aov) {
    case v1::AOV_RGB:
      return "rgb";
    case v1::AOV_OPACITY:
      return "opacity";
    case v1::AOV_TRANSMITTANCE:
      return "transmittance";
    default:
      return "depth";
  }
}

std::string ShapeText(const v1::Tensor& tensor) {
  std::string text = "(";
  for (int i = 0; i < tensor.shape_size(); ++i) absl::StrAppend(&text, i == 0 ? "" : ", ", tensor.shape(i));
  return text + ")";
}

// The elements of an image that must have this dtype and shape, and the channels after it where there are several.
absl::StatusOr<const std::string*> CheckedElements(const v1::Tensor& tensor, const AovChannel& channel,
                                                   Precision precision, std::vector<std::int64_t> shape,
                                                   const std::string& path) {
  const DType dtype = DTypeOf(precision);
  DVREN_ASSIGN_OR_RETURN(const DType given, DecodeDType(tensor.dtype(), path + ".dtype"));
  if (given != dtype) {
    return InvalidField(path + ".dtype", std::string(DTypeName(given)),
                        absl::StrCat("must be ", std::string(DTypeName(dtype)), ", the precision of the forward"));
  }
  if (channel.channels > 1) shape.push_back(channel.channels);
  std::string wanted;
  std::uint64_t bytes = DTypeSize(dtype);
  for (const std::int64_t extent : shape) {
    absl::StrAppend(&wanted, wanted.empty() ? "(" : ", ", extent);
    bytes *= static_cast<std::uint64_t>(extent);
  }
  if (!std::equal(shape.begin(), shape.end(), tensor.shape().begin(), tensor.shape().end())) {
    return InvalidField(path + ".shape", ShapeText(tensor), absl::StrCat("must be ", wanted, ")"));
  }
  DVREN_ASSIGN_OR_RETURN(const std::string* elements, InlineBytes(tensor.payload(), path + ".payload"));
  if (elements->size() != bytes) {
    return InvalidField(path + ".payload.inline", absl::StrCat(elements->size(), " bytes"),
                        absl::StrCat("shape and dtype need ", bytes));
  }
  return elements;
}

// The index of the first value that is not finite, or -1.
template <class Real>
std::int64_t FirstNotFinite(const std::string& elements) {
  const std::size_t count = elements.size() / sizeof(Real);
  for (std::size_t i = 0; i < count; ++i) {
    Real value;
    std::memcpy(&value, elements.data() + i * sizeof(Real), sizeof(Real));
    if (!std::isfinite(value)) return static_cast<std::int64_t>(i);
  }
  return -1;
}

double ValueAt(const std::string& elements, std::int64_t index, Precision precision) {
  if (precision == Precision::kF64) {
    double value;
    std::memcpy(&value, elements.data() + static_cast<std::size_t>(index) * sizeof value, sizeof value);
    return value;
  }
  float value;
  std::memcpy(&value, elements.data() + static_cast<std::size_t>(index) * sizeof value, sizeof value);
  return value;
}

// `elements` are those of the pixels of `tile`.
absl::Status CheckFinite(const std::string& elements, const AovChannel& channel, Precision precision, const Roi& tile) {
  const std::int64_t first =
      precision == Precision::kF64 ? FirstNotFinite<double>(elements) : FirstNotFinite<float>(elements);
  if (first < 0) return absl::OkStatus();
  const std::int64_t pixel = first / channel.channels;
  std::string path =
      absl::StrCat("adjoint.", NameOf(channel), "[y=", tile.y + pixel / tile.width, ",x=", tile.x + pixel % tile.width);
  if (channel.channels > 1) absl::StrAppend(&path, ",channel=", first % channel.channels);
  return InvalidField(path + "]", ValueAt(elements, first, precision),
                      "must be finite; look for a division by 0 in the loss");
}

absl::StatusOr<std::vector<AovChannel>> ChannelsOfImages(
    const google::protobuf::RepeatedPtrField<v1::AovTensor>& images, const std::string& path) {
  if (images.empty()) return InvalidField(path, "none", "give RGB, OPACITY, TRANSMITTANCE or DEPTH");
  std::vector<AovChannel> channels;
  std::uint32_t seen = 0;
  for (int i = 0; i < images.size(); ++i) {
    const std::string aov_path = absl::StrCat(path, "[", i, "].aov");
    DVREN_ASSIGN_OR_RETURN(const AovChannel channel, ChannelOf(images.Get(i).aov(), aov_path));
    if ((seen & channel.bit) != 0) return InvalidField(aov_path, v1::Aov_Name(channel.aov), "is there twice");
    seen |= channel.bit;
    channels.push_back(channel);
  }
  return channels;
}

std::uint64_t PixelsOf(const Roi& roi) {
  return static_cast<std::uint64_t>(roi.width) * static_cast<std::uint64_t>(roi.height);
}

void Point(v1::Aov aov, const void* elements, HostImageAdjoint& view) {
  switch (aov) {
    case v1::AOV_RGB:
      view.rgb = elements;
      break;
    case v1::AOV_OPACITY:
      view.opacity = elements;
      break;
    case v1::AOV_TRANSMITTANCE:
      view.transmittance = elements;
      break;
    default:
      view.depth = elements;
      break;
  }
}

}  // namespace

absl::StatusOr<std::uint64_t> AdjointImage::BytesFor(const v1::RenderTile& tile, const Roi& roi, Precision precision) {
  DVREN_ASSIGN_OR_RETURN(const std::vector<AovChannel> channels, ChannelsOfImages(tile.images(), "adjoint.images"));
  std::uint64_t per_pixel = 1;
  for (const AovChannel& channel : channels) {
    per_pixel += static_cast<std::uint64_t>(channel.channels) * DTypeSize(DTypeOf(precision));
  }
  return per_pixel * PixelsOf(roi);
}

absl::Status AdjointImage::TakeAovs(const v1::RenderTile& tile) {
  DVREN_ASSIGN_OR_RETURN(const std::vector<AovChannel> channels, ChannelsOfImages(tile.images(), "adjoint.images"));
  if (planes_.empty()) {
    covered_.resize(PixelsOf(roi_));
    for (const AovChannel& channel : channels) {
      planes_.push_back({channel, std::string(PixelsOf(roi_) * static_cast<std::size_t>(channel.channels) *
                                                  DTypeSize(DTypeOf(precision_)),
                                              '\0')});
    }
    return absl::OkStatus();
  }
  bool same = channels.size() == planes_.size();
  for (const AovChannel& channel : channels) {
    same = same && std::any_of(planes_.begin(), planes_.end(),
                               [&](const Plane& plane) { return plane.channel.aov == channel.aov; });
  }
  if (same) return absl::OkStatus();
  return InvalidField("adjoint.images", absl::StrCat(channels.size(), " AOVs"),
                      "must be the same AOVs in every tile, as in the first");
}

absl::Status AdjointImage::Cover(const Roi& tile) {
  for (int y = tile.y - roi_.y; y < tile.y - roi_.y + tile.height; ++y) {
    for (int x = tile.x - roi_.x; x < tile.x - roi_.x + tile.width; ++x) {
      std::uint8_t& covered =
          covered_[static_cast<std::size_t>(y) * static_cast<std::size_t>(roi_.width) + static_cast<std::size_t>(x)];
      if (covered != 0) {
        return InvalidField("adjoint.roi", absl::StrCat(tile.x, ", ", tile.y, ", ", tile.width, " x ", tile.height),
                            absl::StrCat("pixel (x, y) = (", x + roi_.x, ", ", y + roi_.y,
                                         ") was in an earlier tile; send every pixel once"));
      }
      covered = 1;
    }
  }
  covered_count_ += static_cast<std::int64_t>(PixelsOf(tile));
  return absl::OkStatus();
}

absl::Status AdjointImage::Copy(const v1::AovTensor& image, const Roi& tile, Plane& plane) const {
  DVREN_ASSIGN_OR_RETURN(const std::string* elements,
                         CheckedElements(image.tensor(), plane.channel, precision_, {tile.height, tile.width},
                                         absl::StrCat("adjoint.", NameOf(plane.channel))));
  DVREN_RETURN_IF_ERROR(CheckFinite(*elements, plane.channel, precision_, tile));
  const std::size_t pixel = static_cast<std::size_t>(plane.channel.channels) * DTypeSize(DTypeOf(precision_));
  const std::size_t row = pixel * static_cast<std::size_t>(tile.width);
  for (int y = 0; y < tile.height; ++y) {
    const std::size_t to = static_cast<std::size_t>(tile.y - roi_.y + y) * static_cast<std::size_t>(roi_.width) +
                           static_cast<std::size_t>(tile.x - roi_.x);
    std::memcpy(plane.elements.data() + to * pixel, elements->data() + static_cast<std::size_t>(y) * row, row);
  }
  return absl::OkStatus();
}

absl::Status AdjointImage::Add(const v1::RenderTile& tile) {
  DVREN_RETURN_IF_ERROR(TakeAovs(tile));
  const v1::Roi& given = tile.roi();
  const std::int64_t x = std::int64_t{given.x()} - roi_.x, y = std::int64_t{given.y()} - roi_.y;
  if (x < 0 || y < 0 || given.width() < 1 || given.height() < 1 || x + given.width() > roi_.width ||
      y + given.height() > roi_.height) {
    return InvalidField(
        "adjoint.roi", absl::StrCat(given.x(), ", ", given.y(), ", ", given.width(), " x ", given.height()),
        absl::StrCat("must lie within the tape's image: ", roi_.x, ", ", roi_.y, ", ", roi_.width, " x ", roi_.height));
  }
  const Roi roi{given.x(), given.y(), given.width(), given.height()};
  for (const v1::AovTensor& image : tile.images()) {
    const auto plane = std::find_if(planes_.begin(), planes_.end(),
                                    [&](const Plane& candidate) { return candidate.channel.aov == image.aov(); });
    DVREN_RETURN_IF_ERROR(Copy(image, roi, *plane));
  }
  return Cover(roi);
}

absl::Status AdjointImage::CheckComplete() const {
  if (planes_.empty()) {
    return InvalidField("adjoint", "absent", "send dL/d(image) as tiles that cover the tape's image");
  }
  if (covered_count_ == static_cast<std::int64_t>(PixelsOf(roi_))) return absl::OkStatus();
  const auto first = std::find(covered_.begin(), covered_.end(), 0) - covered_.begin();
  return InvalidField("adjoint", absl::StrCat(covered_count_, " of ", PixelsOf(roi_), " pixels"),
                      absl::StrCat("pixel (x, y) = (", roi_.x + first % roi_.width, ", ", roi_.y + first / roi_.width,
                                   ") is in no tile; cover the tape's image"));
}

HostImageAdjoint AdjointImage::view() const {
  HostImageAdjoint view;
  for (const Plane& plane : planes_) Point(plane.channel.aov, plane.elements.data(), view);
  return view;
}

absl::StatusOr<HostImageAdjoint> DecodeRayAdjoints(const google::protobuf::RepeatedPtrField<v1::AovTensor>& images,
                                                   std::int64_t count, Precision precision) {
  DVREN_ASSIGN_OR_RETURN(const std::vector<AovChannel> channels, ChannelsOfImages(images, "batch.adjoints"));
  HostImageAdjoint view;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(const std::string* elements,
                           CheckedElements(images.Get(static_cast<int>(i)).tensor(), channels[i], precision, {count},
                                           absl::StrCat("batch.adjoints[", i, "]")));
    DVREN_RETURN_IF_ERROR(CheckFinite(*elements, channels[i], precision, Roi{0, 0, static_cast<int>(count), 1}));
    Point(channels[i].aov, elements->data(), view);
  }
  return view;
}

}  // namespace dvren::server
