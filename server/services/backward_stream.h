// BackwardStream: one Backward call. Reads dL/d(image) and checks it on its way in; then the pass is work for a device,
// a slice per tile of the forward; then values and summary go out, one message at a time. Nothing is added before all
// of dL/d(image) has arrived.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string>

#include "dvren/diff/backward.h"
#include "dvren/v1/render_service.pb.h"
#include "server/codec/adjoint_codec.h"
#include "server/codec/gradient_codec.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/middleware/request_scope.h"
#include "server/registries/tape_registry.h"
#include "server/services/gradient_values.h"
#include "server/services/value_sum.h"

namespace dvren::server {

class BackwardStream final : public grpc::ServerBidiReactor<v1::BackwardRequest, v1::BackwardResponse>,
                             public Work,
                             public std::enable_shared_from_this<BackwardStream> {
 public:
  // Lives until both the call and the work are over.
  static BackwardStream* Start(ServiceContext& context, grpc::CallbackServerContext* call);

  // The call; on RPC threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // The work; on a device worker's thread.
  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;

 private:
  BackwardStream(ServiceContext& context, grpc::CallbackServerContext* call);
  [[nodiscard]] absl::Status TakeHeader(const v1::BackwardHeader& header);
  [[nodiscard]] absl::Status TakeTile(const v1::RenderTile& tile);
  [[nodiscard]] absl::Status TakeEnd();
  // ABORTED when the field has another version by now, or is gone.
  [[nodiscard]] absl::Status CheckFresh() const;
  [[nodiscard]] absl::Status Begin(Stream& stream);
  [[nodiscard]] absl::Status RunNext(Stream& stream);
  [[nodiscard]] absl::Status Conclude(Stream& stream);
  void SendNext();
  void FinishCall(const absl::Status& status);

  ServiceContext& context_;
  grpc::CallbackServerContext* const call_;
  RequestScope scope_;
  std::shared_ptr<BackwardStream> self_;  // until OnDone

  // In turn those of the reads, of the work's slices and of the writes, which never overlap.
  v1::BackwardRequest message_;
  std::string tape_name_;
  bool keep_tape_ = false;
  std::shared_ptr<const KeptTape> tape_;  // from the header on
  GradientWishes wishes_;
  ByteCharge adjoint_charge_;
  std::optional<AdjointImage> adjoint_;  // from the first tile to the first slice
  std::optional<ValueSum> sum_;          // from the first slice on
  std::optional<BackwardPass> pass_;
  std::size_t next_slice_ = 0;
  Clock::time_point submitted_, first_slice_;
  std::optional<GradientValues> values_;  // after the last slice, where they were asked for
  bool values_described_ = false;
  std::uint64_t sent_bytes_ = 0;  // of values
  v1::BackwardSummary summary_;
  bool summary_sent_ = false;
  v1::BackwardResponse response_;  // being written

  Mutex mutex_;
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
  bool cancelled_ DVREN_GUARDED_BY(mutex_) = false;
};

}  // namespace dvren::server
