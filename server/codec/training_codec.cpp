#include "server/codec/training_codec.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "server/codec/geometry_codec.h"

namespace dvren::server {
namespace {

// The keys of each part, once for both directions.
#define DVREN_RECIPE_KEYS(X) X(steps) X(seed) X(step_voxels) X(early_stop) X(color_space)
#define DVREN_FIELD_KEYS(X) X(sh_degree) X(activation) X(initial_density) X(initial_color) X(dtype)
#define DVREN_STAGE_KEYS(X) X(from_step) X(resolution) X(rays) X(sh_degree)
#define DVREN_OPTIMIZER_KEYS(X) \
  X(kind)                       \
  X(density_rate)               \
  X(color_rate)                 \
  X(harmonics_rate)             \
  X(beta1)                      \
  X(beta2)                      \
  X(epsilon)                    \
  X(momentum)                   \
  X(nesterov)                   \
  X(weight_decay) X(sparse) X(clip_norm) X(clip_value) X(accumulate_steps) X(loss_scale) X(loss_scale_window)
#define DVREN_SCHEDULE_KEYS(X) X(kind) X(final_factor) X(warmup_steps)
#define DVREN_LOSS_KEYS(X) X(kind) X(delta)
#define DVREN_REGULARISER_KEYS(X) X(tv_density) X(tv_color) X(tv_every_steps) X(sparsity) X(distortion)
#define DVREN_RAY_KEYS(X) \
  X(background) X(foreground_fraction) X(error_map) X(error_fraction) X(error_cell) X(error_decay)
#define DVREN_OCCUPANCY_KEYS(X) X(every_steps) X(from_step) X(alpha_threshold) X(weight_threshold) X(seen_window)
#define DVREN_CAMERA_KEYS(X) \
  X(poses) X(focal) X(distortion) X(rotation_rate) X(translation_rate) X(focal_rate) X(distortion_rate) X(from_step)

#define DVREN_DECODE_KEY(key) \
  if (message.has_##key()) spec.key = message.key();
#define DVREN_ENCODE_KEY(key) message->set_##key(spec.key);

#define DVREN_PART(Spec, Message, KEYS)                 \
  void Decode(const v1::Message& message, Spec& spec) { \
    KEYS(DVREN_DECODE_KEY)                              \
  }                                                     \
  void Encode(const Spec& spec, v1::Message* message) { \
    KEYS(DVREN_ENCODE_KEY)                              \
  }

DVREN_PART(TrainingSpec, Recipe, DVREN_RECIPE_KEYS)
DVREN_PART(FieldSpec, FieldRecipe, DVREN_FIELD_KEYS)
DVREN_PART(StageSpec, StageRecipe, DVREN_STAGE_KEYS)
DVREN_PART(OptimizerSpec, OptimizerRecipe, DVREN_OPTIMIZER_KEYS)
DVREN_PART(ScheduleSpec, ScheduleRecipe, DVREN_SCHEDULE_KEYS)
DVREN_PART(LossSpec, LossRecipe, DVREN_LOSS_KEYS)
DVREN_PART(RegulariserSpec, RegulariserRecipe, DVREN_REGULARISER_KEYS)
DVREN_PART(RaySpec, RayRecipe, DVREN_RAY_KEYS)
DVREN_PART(OccupancySpec, OccupancyRecipe, DVREN_OCCUPANCY_KEYS)
DVREN_PART(CameraRefineSpec, CameraRecipe, DVREN_CAMERA_KEYS)

constexpr int kMaxHoldOut = 100'000;
constexpr std::size_t kMaxPathBytes = 4096, kMaxShown = 64;

}  // namespace

absl::StatusOr<TrainingSpec> DecodeRecipe(const v1::Recipe& message) {
  TrainingSpec spec;
  Decode(message, spec);
  Decode(message.field(), spec.field);
  if (message.field().has_box()) {
    DVREN_ASSIGN_OR_RETURN(spec.field.box, DecodeBox(message.field().box(), "recipe.field.box"));
  }
  if (message.stages_size() > 0) spec.stages.assign(static_cast<std::size_t>(message.stages_size()), StageSpec());
  for (int i = 0; i < message.stages_size(); ++i) Decode(message.stages(i), spec.stages[static_cast<std::size_t>(i)]);
  Decode(message.optimizer(), spec.optimizer);
  Decode(message.schedule(), spec.schedule);
  Decode(message.loss(), spec.loss);
  Decode(message.regularisers(), spec.regularisers);
  Decode(message.rays(), spec.rays);
  Decode(message.occupancy(), spec.occupancy);
  Decode(message.cameras(), spec.cameras);
  return spec;
}

void EncodeRecipe(const TrainingSpec& spec, v1::Recipe* message) {
  message->Clear();
  Encode(spec, message);
  Encode(spec.field, message->mutable_field());
  EncodeBox(spec.field.box, message->mutable_field()->mutable_box());
  for (const StageSpec& stage : spec.stages) Encode(stage, message->add_stages());
  Encode(spec.optimizer, message->mutable_optimizer());
  Encode(spec.schedule, message->mutable_schedule());
  Encode(spec.loss, message->mutable_loss());
  Encode(spec.regularisers, message->mutable_regularisers());
  Encode(spec.rays, message->mutable_rays());
  Encode(spec.occupancy, message->mutable_occupancy());
  Encode(spec.cameras, message->mutable_cameras());
}

absl::Status CheckDatasetSource(const v1::DatasetSource& source, const std::string& path) {
  if (source.path().empty() == source.synthetic().empty()) {
    return source.path().empty()
               ? InvalidField(path + ".path", "\"\"", "name a folder of photographs on the daemon's machine")
               : InvalidField(path + ".synthetic", source.synthetic(), "goes without path; give one");
  }
  if (source.path().size() > kMaxPathBytes) {
    return InvalidField(path + ".path", absl::StrCat(source.path().size(), " bytes"),
                        absl::StrCat("must be at most ", kMaxPathBytes));
  }
  constexpr const char* kSplits[] = {"", "train", "test", "val", "all"};
  if (std::find(std::begin(kSplits), std::end(kSplits), source.split()) == std::end(kSplits)) {
    return InvalidField(path + ".split", source.split().substr(0, kMaxShown), "must be train, test, val or all");
  }
  if (!source.synthetic().empty() && source.synthetic() != "gaussian") {
    return InvalidField(path + ".synthetic", source.synthetic(), "must be gaussian");
  }
  const int downscale = source.downscale();
  if (downscale != 0 && downscale != 1 && downscale != 2 && downscale != 4 && downscale != 8) {
    return InvalidField(path + ".downscale", downscale, "must be 1, 2, 4 or 8");
  }
  if (source.hold_out_every() < 0 || source.hold_out_every() == 1 || source.hold_out_every() > kMaxHoldOut) {
    return InvalidField(path + ".hold_out_every", source.hold_out_every(),
                        absl::StrCat("must be 2 to ", kMaxHoldOut, ", or 0 to hold none out"));
  }
  if (!v1::MissingImages_IsValid(source.missing_images())) {
    return InvalidField(path + ".missing_images", static_cast<int>(source.missing_images()), "must be ERROR or SKIP");
  }
  return absl::OkStatus();
}

io::DatasetRequest DecodeDatasetSource(const v1::DatasetSource& source) {
  io::DatasetRequest request;
  if (!source.split().empty()) request.split = source.split();
  if (source.downscale() != 0) request.downscale = source.downscale();
  request.skip_missing = source.missing_images() == v1::MISSING_IMAGES_SKIP;
  request.hold_out_every = source.hold_out_every();
  return request;
}

v1::DatasetReport EncodeDatasetReport(const io::DatasetReport& report) {
  v1::DatasetReport message;
  message.set_photos(static_cast<std::int32_t>(report.images));
  message.set_missing(static_cast<std::int32_t>(report.missing.size()));
  if (!report.sizes.empty()) {
    message.set_width(report.sizes.front().width);
    message.set_height(report.sizes.front().height);
  }
  message.set_channels(report.channels);
  EncodeBox(report.bounds, message.mutable_bounds());
  for (const std::string& note : report.notes) message.add_notes(note);
  message.set_format(report.format);
  message.set_split(report.split);
  message.set_cameras(static_cast<std::int32_t>(report.cameras));
  message.set_bytes(report.bytes);
  return message;
}

std::uint64_t PhotoBytes(const io::PhotoSet& photos) {
  std::uint64_t bytes = 0;
  for (const io::Photo& photo : photos.photos) bytes += photo.values.size() * sizeof(photo.values[0]);
  return bytes;
}

std::uint64_t TrainerBytes(const TrainingSpec& spec) {
  // f32 value, int64 sum, two f32 moments.
  constexpr double kBytesPerParameter = 4 + 8 + 2 * 4;
  double voxels = 0;
  for (const StageSpec& stage : spec.stages) voxels = std::max(voxels, std::pow(std::max(stage.resolution, 1), 3.0));
  const int degree = spec.stages.empty() ? spec.field.sh_degree : spec.ShDegree(spec.stages.size() - 1);
  const double channels = 3.0 * (degree + 1) * (degree + 1) + 1;
  return static_cast<std::uint64_t>(std::min(voxels * channels * kBytesPerParameter, 1e18));
}

void ReportSum::Add(const StepReport& step) {
  report_.set_step(step.step);
  report_.set_steps(report_.steps() + 1);
  report_.set_loss(report_.loss() + step.loss);
  report_.set_psnr(report_.psnr() + step.psnr);
  report_.set_rays(report_.rays() + step.rays);
  report_.set_samples(report_.samples() + step.samples);
  report_.set_skipped_steps(report_.skipped_steps() + (step.skipped ? 1 : 0));
  report_.set_loss_scale(step.loss_scale);
  report_.set_train_seconds(report_.train_seconds() + step.wall_seconds);
  report_.set_ray_seconds(report_.ray_seconds() + step.ray_seconds);
  report_.set_forward_seconds(report_.forward_seconds() + step.forward_seconds);
  report_.set_backward_seconds(report_.backward_seconds() + step.backward_seconds);
  report_.set_optimizer_seconds(report_.optimizer_seconds() + step.optimizer_seconds);
}

v1::TrainReport ReportSum::Report(double total_train_seconds) const {
  v1::TrainReport report = report_;
  const auto steps = static_cast<double>(std::max<std::int64_t>(report.steps(), 1));
  report.set_loss(report.loss() / steps);
  report.set_psnr(report.psnr() / steps);
  report.set_total_train_seconds(total_train_seconds);
  return report;
}

}  // namespace dvren::server
