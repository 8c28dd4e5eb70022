// StreamRaysCall: one StreamRays call: a header, then batches of rays. One batch is in hand at a time, and is one slice
// of work; the next is read when its answer has gone out, so that answers come in order and nothing piles up here.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string>

#include "dvren/v1/render_service.pb.h"
#include "server/codec/adjoint_codec.h"
#include "server/codec/gradient_codec.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/middleware/request_scope.h"
#include "server/services/ray_work.h"
#include "server/services/render_plan.h"

namespace dvren::server {

class StreamRaysCall final : public grpc::ServerBidiReactor<v1::StreamRaysRequest, v1::StreamRaysResponse>,
                             public RayWork,
                             public std::enable_shared_from_this<StreamRaysCall> {
 public:
  // Lives until both the call and its work are over.
  static StreamRaysCall* Start(ServiceContext& context, grpc::CallbackServerContext* call);

  // The call; on RPC threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // The work, submitted once for each batch; on a device worker's thread.
  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;

 private:
  StreamRaysCall(ServiceContext& context, grpc::CallbackServerContext* call);
  [[nodiscard]] absl::Status TakeHeader(const v1::StreamRaysHeader& header);
  // Checks the batch in hand and submits it.
  [[nodiscard]] absl::Status TakeBatch(const v1::RayBatch& batch);
  [[nodiscard]] absl::Status RunBatch(Stream& stream);
  [[nodiscard]] absl::Status RunBackward(Stream& stream, const SceneLease& lease, Tape tape, RenderStats& stats);
  [[nodiscard]] Asked asked() const override { return {*scope_.tenant(), scene_, plan_, rays_}; }
  void Take(const RayAnswer& answer) override;
  // Of a batch that is done.
  void Respond(const RenderStats& stats, std::int64_t launch_rays);
  void FinishCall(const absl::Status& status);

  ServiceContext& context_;
  grpc::CallbackServerContext* const call_;
  RequestScope scope_;
  std::shared_ptr<StreamRaysCall> self_;  // until OnDone

  // In turn those of the reads, of the slices and of the writes, which never overlap.
  v1::StreamRaysRequest message_;
  bool begun_ = false;  // the header has come
  SceneSpec scene_;
  PlanSpec plan_;
  std::optional<GradientWishes> wishes_;
  std::string key_;           // of batches that go forward alone
  std::string device_;        // where the first batch ran, from then on
  RayBatch rays_;             // into message_
  HostImageAdjoint adjoint_;  // likewise
  bool backward_ = false;     // the batch carries adjoints
  Clock::time_point received_, first_slice_;
  v1::StreamRaysResponse response_;

  Mutex mutex_;
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
  bool cancelled_ DVREN_GUARDED_BY(mutex_) = false;
};

}  // namespace dvren::server
