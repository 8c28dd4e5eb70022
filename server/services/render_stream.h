// RenderStream: one Render call, as a piece of work for a device and as a stream of messages to its caller. A slice of
// work is one tile. At most a few messages wait for the caller; then the work parks until one has gone out.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>

#include "dvren/v1/render_service.pb.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/middleware/request_scope.h"
#include "server/services/render_plan.h"

namespace dvren::server {

class RenderStream final : public grpc::ServerWriteReactor<v1::RenderResponse>,
                           public Work,
                           public std::enable_shared_from_this<RenderStream> {
 public:
  // Lives until both the call and the work are over.
  static RenderStream* Start(ServiceContext& context, grpc::CallbackServerContext* call,
                             const v1::RenderRequest& request);

  // The work; on a device worker's thread.
  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;

  // The call; on RPC threads.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  RenderStream(ServiceContext& context, grpc::CallbackServerContext* call);
  [[nodiscard]] absl::Status Submit(const v1::RenderRequest& request);
  [[nodiscard]] absl::Status Begin(Stream& stream);
  [[nodiscard]] absl::Status RenderNext(Stream& stream);
  void PushSummary();
  void Push(std::unique_ptr<v1::RenderResponse> message);
  // Whether the caller is behind; if so OnWriteDone will unpark the work.
  [[nodiscard]] bool ShouldPark();
  // The last word of the work: sent when what waits has gone out, or at once after an error.
  void End(const absl::Status& status);
  void FinishCall(const absl::Status& status);
  void CancelWork();

  ServiceContext& context_;
  RequestScope scope_;
  std::shared_ptr<RenderStream> self_;  // until OnDone

  // The work's own; slices never overlap.
  RenderSpec spec_;
  std::optional<RenderPlan> plan_;
  std::int64_t next_tile_ = 0;
  RenderStats stats_;
  Clock::time_point first_slice_;

  Mutex mutex_;
  std::deque<std::unique_ptr<v1::RenderResponse>> outbound_ DVREN_GUARDED_BY(mutex_);  // front is being written
  std::optional<absl::Status> ended_ DVREN_GUARDED_BY(mutex_);
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
  bool parked_ DVREN_GUARDED_BY(mutex_) = false;
  bool broken_ DVREN_GUARDED_BY(mutex_) = false;  // nobody listens any more
};

}  // namespace dvren::server
