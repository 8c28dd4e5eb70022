// EvaluateStream: one Evaluate call: photographs are read on a thread that may block, then views are rendered on the
// session's device, a band of rows in a slice, while training waits.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "dvren/v1/training_service.pb.h"
#include "server/registries/session_registry.h"
#include "server/services/dataset_loading.h"
#include "server/services/parking_stream.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

class EvaluateStream final : public ParkingStream<v1::EvaluateResponse> {
 public:
  static EvaluateStream* Start(ServiceContext& context, WorkerPool& files, grpc::CallbackServerContext* call,
                               const v1::EvaluateRequest& request);

  SliceResult RunSlice(Stream& stream) override;
  void Abort(const absl::Status& why) override;

 private:
  EvaluateStream(ServiceContext& context, grpc::CallbackServerContext* call)
      : ParkingStream(context, call, "TrainingService/Evaluate"), call_(call) {}
  [[nodiscard]] absl::Status Begin(WorkerPool& files, const v1::EvaluateRequest& request);
  void Load(const v1::DatasetSource& source, std::int32_t max_views);
  [[nodiscard]] absl::Status StartRendering(LoadedDataset dataset, std::int32_t max_views);
  void PushHeader();
  [[nodiscard]] absl::Status RenderBand(Stream& stream, const io::Photo& photo);
  void FinishView(const io::Photo& photo);
  void PushTiles(const io::Photo& photo, const std::vector<float>& truth);
  [[nodiscard]] v1::Tensor EncodeRows(const std::vector<float>& image, int width, int first_row, int rows) const;
  void PushSummary();

  grpc::CallbackServerContext* const call_;  // valid until OnDone
  std::shared_ptr<TrainingSession> session_;
  std::array<double, 3> background_{};
  bool send_render_ = false, send_truth_ = false, as_u8_ = false;
  LoadedDataset dataset_;
  ByteCharge charge_;  // of photographs that the session does not have
  std::vector<std::size_t> views_;

  // The work's own; slices never overlap.
  TrainingSession::Hold hold_;
  Clock::time_point first_slice_;
  std::size_t next_view_ = 0;
  std::vector<float> render_;   // of the view, as far as it has come
  double psnr_ = 0, ssim_ = 0;  // sums
};

// The photograph over the background: (H, W, 3), 0 to 1.
[[nodiscard]] std::vector<float> TruthOf(const io::Photo& photo, const std::array<double, 3>& background);

}  // namespace dvren::server
