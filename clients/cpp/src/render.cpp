#include <algorithm>
#include <functional>

#include "connection.h"
#include "dvren/client/client.h"
#include "tensor_decode.h"

namespace dvren::client {
namespace {

// Puts tiles into the caller's buffers as they arrive, in any order.
class TileAssembler {
 public:
  // Buffers for the ROI of a header; called once, when its size is known.
  using Targets = std::function<absl::StatusOr<std::vector<AovBuffer>>(const v1::RenderHeader&)>;

  TileAssembler(Targets targets, const Progress& progress) : make_targets_(std::move(targets)), progress_(progress) {}

  absl::Status Take(v1::RenderResponse& response) {
    switch (response.part_case()) {
      case v1::RenderResponse::kHeader:
        return Begin(std::move(*response.mutable_header()));
      case v1::RenderResponse::kTile:
        return Add(response.tile());
      case v1::RenderResponse::kSummary:
        report_.summary = std::move(*response.mutable_summary());
        summarised_ = true;
        return absl::OkStatus();
      default:
        return absl::OkStatus();  // a part that a later daemon added
    }
  }

  // After the stream's end: everything must have come.
  absl::StatusOr<RenderReport> Finish() {
    if (pixels_done_ != pixels_total() || !summarised_) {
      return absl::DataLossError(absl::StrCat("Render: the stream ended after ", pixels_done_, " of ", pixels_total(),
                                              " pixels; render again"));
    }
    return std::move(report_);
  }

 private:
  [[nodiscard]] std::uint64_t pixels_total() const {
    return static_cast<std::uint64_t>(report_.header.roi().width()) *
           static_cast<std::uint64_t>(report_.header.roi().height());
  }

  absl::Status Begin(v1::RenderHeader header) {
    report_.header = std::move(header);
    const v1::Roi& roi = report_.header.roi();
    if (roi.width() < 1 || roi.height() < 1) return absl::InternalError("Render: the daemon's header has no ROI");
    DVREN_ASSIGN_OR_RETURN(targets_, make_targets_(report_.header));
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

  absl::Status Add(const v1::RenderTile& tile) {
    const v1::Roi& whole = report_.header.roi();
    const v1::Roi& part = tile.roi();
    const std::int64_t x = std::int64_t{part.x()} - whole.x(), y = std::int64_t{part.y()} - whole.y();
    if (part.width() < 1 || part.height() < 1 || x < 0 || y < 0 || x + part.width() > whole.width() ||
        y + part.height() > whole.height()) {
      return absl::InternalError(
          "Render: a tile lies outside the image; client and daemon do not fit, use the same version");
    }
    for (const AovBuffer& target : targets_) {
      const auto image = std::find_if(tile.images().begin(), tile.images().end(),
                                      [&](const v1::AovTensor& candidate) { return candidate.aov() == target.aov; });
      if (image == tile.images().end()) {
        return absl::InternalError(absl::StrCat("Render: a tile lacks ", AovName(target.aov),
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

  const Targets make_targets_;
  const Progress& progress_;
  std::vector<AovBuffer> targets_;
  RenderReport report_;
  std::uint64_t pixels_done_ = 0;
  bool summarised_ = false;
};

absl::StatusOr<RenderReport> Stream(Connection& connection, const v1::RenderRequest& request, TileAssembler assembler) {
  grpc::ClientContext context;
  connection.Prepare(context);
  auto reader = connection.renders->Render(&context, request);
  v1::RenderResponse response;
  absl::Status taken;
  while (taken.ok() && reader->Read(&response)) taken = assembler.Take(response);
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  DVREN_RETURN_IF_ERROR(taken);
  DVREN_RETURN_IF_ERROR(connection.ToAbsl(status, context));
  return assembler.Finish();
}

}  // namespace

absl::StatusOr<RenderReport> Client::RenderInto(v1::RenderRequest request, std::span<const AovBuffer> targets,
                                                const Progress& progress) const {
  if (targets.empty()) return InvalidField("targets", "none", "must hold at least one AOV");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (targets[i].aov == targets[j].aov) return InvalidField("targets", AovName(targets[i].aov), "is there twice");
    }
    const auto& asked = request.aovs();
    if (!asked.empty() && std::find(asked.begin(), asked.end(), targets[i].aov) == asked.end()) {
      return InvalidField("request.aovs", "without " + AovName(targets[i].aov), "leave it empty: `targets` say it");
    }
  }
  request.clear_aovs();
  for (const AovBuffer& target : targets) request.add_aovs(target.aov);
  const std::vector<AovBuffer> buffers(targets.begin(), targets.end());
  return Stream(*connection_, request, TileAssembler([&](const v1::RenderHeader&) { return buffers; }, progress));
}

absl::StatusOr<RenderedFrame> Client::Render(const v1::RenderRequest& request, const Progress& progress) const {
  RenderedFrame frame;
  const auto allocate = [&](const v1::RenderHeader& header) -> absl::StatusOr<std::vector<AovBuffer>> {
    std::vector<AovBuffer> buffers;
    const auto add = [&](v1::Aov aov) {
      Image& image = frame.images[aov];
      image.width = header.roi().width();
      image.height = header.roi().height();
      image.channels = AovChannels(aov);
      image.pixels.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
                          static_cast<std::size_t>(image.channels));
      buffers.push_back({aov, std::span<float>(image.pixels)});
    };
    for (const int aov : request.aovs()) add(static_cast<v1::Aov>(aov));
    if (request.aovs().empty()) add(v1::AOV_RGB);
    return buffers;
  };
  DVREN_ASSIGN_OR_RETURN(frame.report, Stream(*connection_, request, TileAssembler(allocate, progress)));
  return frame;
}

}  // namespace dvren::client
