#include "connection.h"
#include "dvren/client/client.h"
#include "tile_assembler.h"

namespace dvren::client {

absl::StatusOr<ForwardedFrame> Client::Forward(const v1::ForwardRequest& request, const Progress& progress) const {
  ForwardedFrame frame;
  const auto& aovs = request.has_rays() ? request.rays().aovs() : request.image().aovs();
  TileAssembler assembler(
      "Forward", [&](const v1::RenderHeader& header) { return AllocateImages(header.roi(), aovs, frame.images); },
      progress);
  grpc::ClientContext context;
  connection_->Prepare(context);
  auto reader = connection_->renders->Forward(&context, request);
  v1::ForwardResponse response;
  bool summarised = false;
  const auto take = [&]() -> absl::Status {
    switch (response.part_case()) {
      case v1::ForwardResponse::kHeader:
        return assembler.Begin(std::move(*response.mutable_header()));
      case v1::ForwardResponse::kTile:
        return assembler.Add(response.tile());
      case v1::ForwardResponse::kSummary: {
        v1::ForwardSummary& summary = *response.mutable_summary();
        frame.tape.info = std::move(*summary.mutable_tape());
        frame.stats = std::move(*summary.mutable_stats());
        frame.warnings.assign(summary.warnings().begin(), summary.warnings().end());
        summarised = true;
        return absl::OkStatus();
      }
      default:
        return absl::OkStatus();  // a part that a later daemon added
    }
  };
  absl::Status taken;
  while (taken.ok() && reader->Read(&response)) taken = take();
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  DVREN_RETURN_IF_ERROR(taken);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  DVREN_RETURN_IF_ERROR(assembler.CheckComplete(summarised));
  frame.header = std::move(assembler.header());
  frame.tape.roi = frame.header.roi();
  return frame;
}

}  // namespace dvren::client
