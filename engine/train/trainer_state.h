// What a Trainer holds.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "dvren/diff/loss.h"
#include "dvren/diff/optimizer.h"
#include "dvren/diff/schedule.h"
#include "dvren/fields/field_writer.h"
#include "dvren/io/volume.h"
#include "dvren/plan/plan.h"
#include "dvren/scene/scene.h"
#include "dvren/train/trainer.h"
#include "train/camera_refinement.h"
#include "train/loss_scale.h"
#include "train/ray_source.h"

namespace dvren {

struct Trainer::State {
  TrainingSpec spec;
  std::shared_ptr<const io::PhotoSet> photos;
  std::unique_ptr<Loss> loss;
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<RaySource> source;     // null without photographs
  std::vector<io::PhotoCamera> cameras;  // as refined
  std::unique_ptr<CameraRefinement> refinement;
  LossScale loss_scale;

  std::int64_t step = 0;
  std::size_t stage = 0;
  bool prepared = false;               // what precedes the step has happened
  std::optional<StepReport> measured;  // by a Gradient of this step
  io::DenseVolume shape;               // of the grid: all but its values
  std::unique_ptr<FieldWriter> writer;
  std::shared_ptr<GradientTensor> gradient;
  std::unique_ptr<Moments> moments;
  bool masked = false;

  // Memory used again by every step.
  TrainingRays rays;
  std::vector<float> rgb, transmittance, prediction, d_prediction, d_transmittance, d_distortion, d_origins,
      d_directions;
  std::vector<double> camera_gradient;  // empty: cameras stay

  [[nodiscard]] const std::shared_ptr<Field>& field() const { return writer->field(); }
  [[nodiscard]] Scene scene() const {
    Scene s;
    s.instances.resize(1);
    s.instances.front().field = field();
    return s;
  }
  [[nodiscard]] PlanSpec plan() const {
    PlanSpec p;
    p.sampling.dt = spec.step_voxels * field()->info().min_voxel_world;
    p.sampling.early_stop = spec.early_stop;
    p.sampling.mode = SamplingMode::kUniformJitter;
    p.sampling.seed = spec.seed;
    return p;
  }

  // All that the spec and the photographs alone decide; no grid yet.
  static absl::StatusOr<std::unique_ptr<State>> Make(const TrainingSpec& spec,
                                                     std::shared_ptr<const io::PhotoSet> photos);
  absl::Status Begin(Stream& stream);
  absl::Status Adopt(Stream& stream, io::DenseVolume grid, const std::vector<std::uint8_t>& cells);
  absl::Status Grow(Stream& stream);
  absl::Status Refine(Stream& stream);

  absl::StatusOr<StepReport> Step(Stream& stream, const TrainingBatch* batch);
  absl::Status CheckUnfinished() const;
  // What precedes a step's rays; once per step.
  absl::Status Prepare(Stream& stream);
  // Rays of a step: of the caller's batch, or of all batches that it takes of the photographs.
  [[nodiscard]] std::int64_t RaysOf(const TrainingBatch* batch) const {
    return batch ? batch->rays.count : spec.stages[stage].rays * spec.optimizer.accumulate_steps;
  }
  // Makes `gradient` and `camera_gradient` of a rank's rays of the step.
  absl::Status Differentiate(Stream& stream, const TrainingBatch* batch, int rank, StepReport& report);
  // Fills in `rays`: batch `part` of the photographs' rays in a step, counted over ranks, or the caller's.
  absl::Status Draw(const TrainingBatch* batch, std::int64_t part, StepReport& report);
  // Forward, loss, backward of `rays`, one of `parts` batches. Adds to both, to the report and to the errors' squares.
  absl::Status AddBatch(Stream& stream, std::int64_t parts, double& squares, StepReport& report);
  // The optimizer's part, with these two.
  absl::Status Update(Stream& stream, StepReport& report);
  void Advance(StepReport& report);
};

}  // namespace dvren
