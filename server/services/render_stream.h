// RenderStream: one Render call, as a piece of work for a device and as a stream of messages to its caller. A slice of
// work is one tile.
#pragma once

#include <memory>
#include <optional>

#include "dvren/v1/render_service.pb.h"
#include "server/services/parking_stream.h"
#include "server/services/render_plan.h"

namespace dvren::server {

class RenderStream final : public ParkingStream<v1::RenderResponse> {
 public:
  static RenderStream* Start(ServiceContext& context, grpc::CallbackServerContext* call,
                             const v1::RenderRequest& request);

  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;

 private:
  RenderStream(ServiceContext& context, grpc::CallbackServerContext* call);
  [[nodiscard]] absl::Status Submit(const v1::RenderRequest& request);
  [[nodiscard]] absl::Status Begin(Stream& stream);
  [[nodiscard]] absl::Status RenderNext(Stream& stream);
  void PushSummary();

  // The work's own; slices never overlap.
  RenderSpec spec_;
  std::optional<RenderPlan> plan_;
  std::int64_t next_tile_ = 0;
  RenderStats stats_;
  Clock::time_point first_slice_;
};

}  // namespace dvren::server
