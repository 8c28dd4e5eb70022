// Trainer: optimizer + loss + ray source + step counter + randomness. It is the only writer of its field. Everything in
// it can be checkpointed, and goes on bit for bit.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dvren/core/dtype.h"
#include "dvren/fields/field.h"
#include "dvren/io/dataset.h"
#include "dvren/render/renderer.h"
#include "dvren/train/training_spec.h"

namespace dvren {

// What one step did.
struct StepReport {
  std::int64_t step = 0;  // steps done so far, this one included
  double loss = 0;        // mean over rays and channels, of the data term
  double psnr = 0;        // of the batch, dB
  std::int64_t rays = 0, samples = 0;
  double loss_scale = 1;  // of this step (OptimizerSpec)
  bool skipped = false;   // it has overflowed, and nothing was updated
  double wall_seconds = 0;
  double ray_seconds = 0, forward_seconds = 0, backward_seconds = 0, optimizer_seconds = 0;
};

struct ViewScore {
  std::string name;
  double psnr = 0, ssim = 0;
};

struct EvaluationReport {
  double psnr = 0, ssim = 0;  // means over views of per-view figures
  std::vector<ViewScore> views;
};

// Rays of the caller's own, and what is seen along them: f32 in host memory, C order.
struct TrainingBatch {
  RayBatch rays;                      // without ids: those of the photographs' rays in the same step
  const float* target = nullptr;      // (N, 3) colour over the ray's background
  const float* background = nullptr;  // (N, 3); null: black
  const float* weights = nullptr;     // (N) of the loss, >= 0; null: 1
};
// Of a batch of the caller's own.
inline constexpr std::int64_t kMaxBatchRays = std::int64_t{1} << 22;

// What StepGradient is of.
struct GradientRequest {
  const TrainingBatch* batch = nullptr;  // null: the photographs
  // Of the step's batch of world_size n rays, rays [rank n, (rank + 1) n), where n is what a step takes alone. The mean
  // over all ranks is the gradient of the whole batch. A batch of the caller's own is this rank's part.
  int rank = 0, world_size = 1;
  DType dtype = DType::kF32;  // or f64
};

// The gradient of one step, as several processes exchange it: they train the same field when each applies the mean of
// all `values` and `cameras` and the largest of all `seen`, element by element.
struct StepGradient {
  std::int64_t step = 0;  // steps done before it
  DType dtype = DType::kF32;
  std::array<std::int64_t, 4> shape{};  // nz, ny, nx, channels
  io::Blob values;                 // of the loss, sparsity and distortion; total variation is added when it is applied
  std::vector<std::uint8_t> seen;  // (nz, ny, nx) 1: a cell that a ray has seen since the mask was refined
  // (photographs, 13): omega, v, log focal, distortion (5), rays that came from it; empty unless the step refines
  // cameras.
  std::vector<double> cameras;
  StepReport report;  // all but what the optimizer does
};

class Trainer {
 public:
  // Views to train on; all have the same number of channels. Null: none, batches of the caller's own alone train it.
  // INVALID_ARGUMENT for a spec or views that do not fit.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Trainer>> Make(Stream& stream, const TrainingSpec& spec,
                                                                     std::shared_ptr<const io::PhotoSet> photos);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  [[nodiscard]] const TrainingSpec& spec() const;
  [[nodiscard]] std::int64_t steps_done() const;
  [[nodiscard]] bool finished() const;
  // One step: a slice of work. FAILED_PRECONDITION when finished, and without photographs.
  [[nodiscard]] absl::StatusOr<StepReport> Step(Stream& stream);
  // The same on the caller's rays; cameras are left alone. INVALID_ARGUMENT names what does not fit.
  [[nodiscard]] absl::StatusOr<StepReport> Step(Stream& stream, const TrainingBatch& batch);

  // A step in two halves. The first changes nothing but what precedes a step (the grid grows, its mask is refined),
  // which happens once.
  [[nodiscard]] absl::StatusOr<StepGradient> Gradient(Stream& stream, const GradientRequest& request);
  // The second does all else that a step does. ABORTED for a gradient of another step, INVALID_ARGUMENT for one that
  // does not fit; its `report` is not read. Reports what the last Gradient of this step measured, if there was one.
  [[nodiscard]] absl::StatusOr<StepReport> Apply(Stream& stream, const StepGradient& gradient);

  // The field as it is now. Its values change with every step and it is replaced when the resolution grows: hold it no
  // longer than until the next Step.
  [[nodiscard]] std::shared_ptr<const Field> field() const;
  // A copy of the values, that lasts: what is exported, kept as a field, or rendered at leisure.
  [[nodiscard]] absl::StatusOr<io::DenseVolume> Snapshot(Stream& stream) const;
  // The same for those who know no mask of cells: voxels that only cells that are not there touch have no density.
  [[nodiscard]] absl::StatusOr<io::DenseVolume> ExportGrid(Stream& stream) const;
  // Its cells, u8 (nz, ny, nx): hp_mask_desc (hotpath/hp.h) says what they mean.
  [[nodiscard]] absl::StatusOr<std::vector<std::uint8_t>> Cells(Stream& stream) const;
  // Values and cells in the place of what there is; what the optimizer remembers stays. `values`: as Snapshot gives
  // them; `cells`: as Cells does, or empty: all are there. INVALID_ARGUMENT, and nothing has changed, for what does not
  // fit.
  [[nodiscard]] absl::Status SetValues(Stream& stream, std::span<const float> values,
                                       std::span<const std::uint8_t> cells);
  // The cameras of all training views: of the models and image sizes that they had.
  [[nodiscard]] absl::Status SetCameras(std::vector<io::PhotoCamera> cameras);
  // The camera of a training view as refined so far.
  [[nodiscard]] absl::StatusOr<io::PhotoCamera> CameraOf(std::size_t view) const;

  // Renders a view from the field as it is, composed over the background (0 … 1 per channel, e.g. 1, 1, 1): (H, W, 3).
  [[nodiscard]] absl::StatusOr<std::vector<float>> RenderView(Stream& stream, const io::PhotoCamera& camera,
                                                              const std::array<double, 3>& background) const;

  // Everything it holds, in one file: versioned, checksummed, written beside and renamed.
  [[nodiscard]] absl::Status SaveCheckpoint(Stream& stream, const std::string& path) const;
  // Goes on where the checkpoint was made. The spec and the photographs must be those it was made with:
  // FAILED_PRECONDITION says what differs. DATA_LOSS for a truncated or damaged file.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Trainer>> RestoreCheckpoint(
      Stream& stream, const std::string& path, const TrainingSpec& spec, std::shared_ptr<const io::PhotoSet> photos);
  // The same into this trainer; after an error it is what it was.
  [[nodiscard]] absl::Status Restore(Stream& stream, const std::string& path);
  // Steps done when a checkpoint was made. Errors as of RestoreCheckpoint.
  [[nodiscard]] static absl::StatusOr<std::int64_t> StepOfCheckpoint(const std::string& path);

 private:
  struct State;
  explicit Trainer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dvren
