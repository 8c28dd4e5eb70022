// ForwardStream: one Forward call: as a Render, and a tape at its end. A slice of work is one tile. The tape is kept
// once its name is on the way to the caller; a caller who goes away earlier leaves none.
#pragma once

#include <memory>
#include <string>

#include "dvren/v1/render_service.pb.h"
#include "server/services/forward_pass.h"
#include "server/services/parking_stream.h"

namespace dvren::server {

class ForwardStream final : public ParkingStream<v1::ForwardResponse> {
 public:
  static ForwardStream* Start(ServiceContext& context, grpc::CallbackServerContext* call,
                              const v1::ForwardRequest& request);

  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;

 private:
  ForwardStream(ServiceContext& context, grpc::CallbackServerContext* call, const v1::ForwardRequest& request);
  [[nodiscard]] absl::Status Submit();
  [[nodiscard]] absl::Status Begin(Stream& stream);
  [[nodiscard]] absl::Status RunNext(Stream& stream);
  [[nodiscard]] absl::Status KeepTape();
  void OnFinish(const absl::Status& status) override;

  const v1::ForwardRequest request_;  // which the spec points into
  ForwardSpec spec_;
  std::chrono::nanoseconds lease_{0};

  // The work's own; slices never overlap.
  std::unique_ptr<ForwardPass> pass_;
  std::int64_t next_tile_ = 0;
  RenderStats stats_;
  Clock::time_point first_slice_;
  std::string tape_;  // once it is kept
};

}  // namespace dvren::server
