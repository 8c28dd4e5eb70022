#include <algorithm>

#include "connection.h"
#include "dvren/client/client.h"
#include "tile_assembler.h"

namespace dvren::client {
namespace {

absl::StatusOr<RenderReport> Stream(Connection& connection, const v1::RenderRequest& request, TileAssembler assembler) {
  grpc::ClientContext context;
  connection.Prepare(context);
  auto reader = connection.renders->Render(&context, request);
  v1::RenderResponse response;
  RenderReport report;
  bool summarised = false;
  const auto take = [&]() -> absl::Status {
    switch (response.part_case()) {
      case v1::RenderResponse::kHeader:
        return assembler.Begin(std::move(*response.mutable_header()));
      case v1::RenderResponse::kTile:
        return assembler.Add(response.tile());
      case v1::RenderResponse::kSummary:
        report.summary = std::move(*response.mutable_summary());
        summarised = true;
        return absl::OkStatus();
      default:
        return absl::OkStatus();  // a part that a later daemon added
    }
  };
  absl::Status taken;
  while (taken.ok() && reader->Read(&response)) taken = take();
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  DVREN_RETURN_IF_ERROR(taken);
  DVREN_RETURN_IF_ERROR(connection.ToAbsl(status, context));
  DVREN_RETURN_IF_ERROR(assembler.CheckComplete(summarised));
  report.header = std::move(assembler.header());
  return report;
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
  return Stream(*connection_, request,
                TileAssembler(
                    "Render", [&](const v1::RenderHeader&) { return buffers; }, progress));
}

absl::StatusOr<RenderedFrame> Client::Render(const v1::RenderRequest& request, const Progress& progress) const {
  RenderedFrame frame;
  const auto allocate = [&](const v1::RenderHeader& header) {
    return AllocateImages(header.roi(), request.aovs(), frame.images);
  };
  DVREN_ASSIGN_OR_RETURN(frame.report, Stream(*connection_, request, TileAssembler("Render", allocate, progress)));
  return frame;
}

}  // namespace dvren::client
