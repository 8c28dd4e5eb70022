// Trainer: optimizer + loss + ray source + step counter + randomness. It is the only writer of its field. Everything in
// it can be checkpointed, and goes on bit for bit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dvren/fields/field.h"
#include "dvren/io/dataset.h"
#include "dvren/train/training_spec.h"

namespace dvren {

// What one step did.
struct StepReport {
  std::int64_t step = 0;  // steps done so far, this one included
  double loss = 0;        // mean over rays and channels, of the data term
  double psnr = 0;        // of the batch, dB
  std::int64_t rays = 0, samples = 0;
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

class Trainer {
 public:
  // Views to train on; all have the same number of channels. INVALID_ARGUMENT for a spec or views that do not fit.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Trainer>> Make(Stream& stream, const TrainingSpec& spec,
                                                                     std::shared_ptr<const io::PhotoSet> photos);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  [[nodiscard]] const TrainingSpec& spec() const;
  [[nodiscard]] std::int64_t steps_done() const;
  [[nodiscard]] bool finished() const;
  // One step: a slice of work. FAILED_PRECONDITION when finished.
  [[nodiscard]] absl::StatusOr<StepReport> Step(Stream& stream);

  // The field as it is now. Its values change with every step and it is replaced when the resolution grows: hold it no
  // longer than until the next Step.
  [[nodiscard]] std::shared_ptr<const Field> field() const;
  // A copy of the values, that lasts: what is exported, kept as a field, or rendered at leisure.
  [[nodiscard]] absl::StatusOr<io::DenseVolume> Snapshot(Stream& stream) const;
  // The same for those who know no mask of cells: voxels that only cells that are not there touch have no density.
  [[nodiscard]] absl::StatusOr<io::DenseVolume> ExportGrid(Stream& stream) const;
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

 private:
  struct State;
  explicit Trainer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dvren
