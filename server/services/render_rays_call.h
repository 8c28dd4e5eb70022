// RenderRaysCall: one RenderRays call, as a piece of work for a device. Small batches are one slice, large ones
// several.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dvren/v1/render_service.pb.h"
#include "server/codec/tensor_codec.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/middleware/request_scope.h"
#include "server/services/ray_work.h"
#include "server/services/render_plan.h"

namespace dvren::server {

class RenderRaysCall final : public grpc::ServerUnaryReactor,
                             public RayWork,
                             public std::enable_shared_from_this<RenderRaysCall> {
 public:
  // Lives until both the call and the work are over; gRPC keeps request and response as long.
  static RenderRaysCall* Start(ServiceContext& context, grpc::CallbackServerContext* call,
                               const v1::RenderRaysRequest* request, v1::RenderRaysResponse* response);

  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  RenderRaysCall(ServiceContext& context, grpc::CallbackServerContext* call, v1::RenderRaysResponse* response);
  [[nodiscard]] absl::Status Submit(const v1::RenderRaysRequest& request);
  [[nodiscard]] absl::Status Begin(Stream& stream);
  [[nodiscard]] absl::Status RenderNext(Stream& stream);
  void EncodeSummary();
  [[nodiscard]] Asked asked() const override { return {*scope_.tenant(), scene_spec_, plan_spec_, rays_}; }
  void Take(const RayAnswer& answer) override;
  void FinishCall(const absl::Status& status);

  ServiceContext& context_;
  v1::RenderRaysResponse* const response_;
  RequestScope scope_;
  std::shared_ptr<RenderRaysCall> self_;  // until OnDone

  // The work's own; slices never overlap.
  SceneSpec scene_spec_;
  PlanSpec plan_spec_;
  RayBatch rays_;                  // into the request
  std::vector<std::int64_t> ids_;  // given to later slices, where the request gives none
  SceneLease lease_;
  std::shared_ptr<const Plan> plan_;  // set by the first slice
  std::vector<std::string*> images_;  // elements of the response, in the order of ChannelsOf
  std::int64_t next_ray_ = 0;
  RenderStats stats_;
  std::int64_t launch_rays_ = 0;
  Clock::time_point first_slice_;

  Mutex mutex_;
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace dvren::server
