#include "dvren/train/training_spec.h"

#include <cmath>
#include <cstddef>
#include <span>

#include "absl/strings/str_join.h"
#include "dvren/diff/loss.h"
#include "dvren/diff/optimizer.h"
#include "dvren/diff/schedule.h"
#include "dvren/io/check.h"
#include "dvren/train/regularisers.h"
#include "train/loss_scale.h"
#include "train/ray_source.h"

namespace dvren {
namespace {

absl::Status CheckPositive(absl::string_view field, double value) {
  return std::isfinite(value) && value > 0 ? absl::OkStatus() : InvalidField(field, value, "must be finite and > 0");
}

absl::Status CheckNotNegative(absl::string_view field, double value) {
  return std::isfinite(value) && value >= 0 ? absl::OkStatus() : InvalidField(field, value, "must be finite and >= 0");
}

absl::Status CheckBelowOne(absl::string_view field, double value, absl::string_view remedy = "must be in [0, 1)") {
  return value >= 0 && value < 1 ? absl::OkStatus() : InvalidField(field, value, remedy);
}

absl::Status CheckFraction(absl::string_view field, double value) {
  return value >= 0 && value <= 1 ? absl::OkStatus() : InvalidField(field, value, "must be in [0, 1]");
}

absl::Status CheckInteger(absl::string_view field, std::int64_t value, std::int64_t low, std::int64_t high) {
  return value >= low && value <= high ? absl::OkStatus()
                                       : InvalidField(field, value, absl::StrCat("must be ", low, " to ", high));
}

absl::Status CheckStep(absl::string_view field, std::int64_t value) {
  return value >= 0 ? absl::OkStatus() : InvalidField(field, value, "must be >= 0; steps are counted from 0");
}

absl::Status CheckOneOf(absl::string_view field, const std::string& value, std::span<const char* const> known) {
  for (const char* name : known) {
    if (value == name) return absl::OkStatus();
  }
  return InvalidField(field, value, absl::StrCat("must be one of ", absl::StrJoin(known, ", ")));
}

constexpr double kMostHalf = 65504;  // the largest finite f16

absl::Status CheckField(const FieldSpec& field) {
  static constexpr const char* kActivations[] = {"identity", "softplus", "exp", "trunc_exp"};
  DVREN_RETURN_IF_ERROR(CheckInteger("field.sh_degree", field.sh_degree, 0, 2));
  DVREN_RETURN_IF_ERROR(io::CheckBox(field.box, "field.box"));
  DVREN_RETURN_IF_ERROR(CheckOneOf("field.activation", field.activation, kActivations));
  static constexpr const char* kDTypes[] = {"f32", "f16"};
  DVREN_RETURN_IF_ERROR(CheckOneOf("field.dtype", field.dtype, kDTypes));
  const double raw = field.initial_density;
  if (!std::isfinite(static_cast<float>(raw))) {
    return InvalidField("field.initial_density", raw, "must be finite in f32");
  }
  if (field.dtype == "f16" && std::abs(raw) > kMostHalf) {
    return InvalidField("field.initial_density", raw, "field.dtype = f16 goes to 65504: must be within that");
  }
  if (field.activation == "identity" && raw < 0) {
    return InvalidField("field.initial_density", raw,
                        "field.activation = identity takes it as the density: must be >= 0");
  }
  const bool exponential = field.activation == "exp" || field.activation == "trunc_exp";
  if (exponential && !std::isfinite(std::exp(static_cast<float>(raw)))) {
    return InvalidField("field.initial_density", raw,
                        absl::StrCat("field.activation = ", field.activation,
                                     " makes it a density that is not finite in f32: must be at most 88"));
  }
  return CheckFraction("field.initial_color", field.initial_color);
}

absl::Status CheckStages(const TrainingSpec& spec) {
  const std::vector<StageSpec>& stages = spec.stages;
  if (stages.empty()) return InvalidField("stages", "none", "must be at least one");
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageSpec& stage = stages[i];
    const std::string name = absl::StrCat("stages[", i, "]");
    DVREN_RETURN_IF_ERROR(CheckInteger(absl::StrCat(name, ".resolution"), stage.resolution, 8, 1024));
    DVREN_RETURN_IF_ERROR(CheckInteger(absl::StrCat(name, ".rays"), stage.rays, 1, std::int64_t{1} << 22));
    if (stage.rays * spec.optimizer.accumulate_steps > kMaxStepRays) {
      return InvalidField(absl::StrCat(name, ".rays"), stage.rays,
                          absl::StrCat("times optimizer.accumulate_steps = ", spec.optimizer.accumulate_steps,
                                       " must be at most ", kMaxStepRays));
    }
    DVREN_RETURN_IF_ERROR(CheckInteger(absl::StrCat(name, ".sh_degree"), stage.sh_degree, -1, 2));
    if (i > 0 && spec.ShDegree(i) < spec.ShDegree(i - 1)) {
      return InvalidField(absl::StrCat(name, ".sh_degree"), spec.ShDegree(i),
                          absl::StrCat("must not be below that of the stage before, ", spec.ShDegree(i - 1)));
    }
    if (i == 0) {
      if (stage.from_step != 0) {
        return InvalidField("stages[0].from_step", stage.from_step, "must be 0: the first stage begins the run");
      }
      continue;
    }
    const StageSpec& before = stages[i - 1];
    if (stage.from_step <= before.from_step) {
      return InvalidField(absl::StrCat(name, ".from_step"), stage.from_step,
                          absl::StrCat("must be above that of the stage before, ", before.from_step));
    }
    if (stage.resolution < before.resolution) {
      return InvalidField(absl::StrCat(name, ".resolution"), stage.resolution,
                          absl::StrCat("must not be below that of the stage before, ", before.resolution));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckOptimizer(const OptimizerSpec& optimizer) {
  DVREN_RETURN_IF_ERROR(CheckPositive("optimizer.density_rate", optimizer.density_rate));
  DVREN_RETURN_IF_ERROR(CheckPositive("optimizer.color_rate", optimizer.color_rate));
  DVREN_RETURN_IF_ERROR(CheckNotNegative("optimizer.harmonics_rate", optimizer.harmonics_rate));
  DVREN_RETURN_IF_ERROR(CheckBelowOne("optimizer.beta1", optimizer.beta1));
  DVREN_RETURN_IF_ERROR(CheckBelowOne("optimizer.beta2", optimizer.beta2));
  DVREN_RETURN_IF_ERROR(CheckPositive("optimizer.epsilon", optimizer.epsilon));
  DVREN_RETURN_IF_ERROR(CheckBelowOne("optimizer.momentum", optimizer.momentum));
  DVREN_RETURN_IF_ERROR(CheckNotNegative("optimizer.weight_decay", optimizer.weight_decay));
  DVREN_RETURN_IF_ERROR(MakeOptimizer(optimizer).status());
  DVREN_RETURN_IF_ERROR(CheckNotNegative("optimizer.clip_norm", optimizer.clip_norm));
  DVREN_RETURN_IF_ERROR(CheckNotNegative("optimizer.clip_value", optimizer.clip_value));
  DVREN_RETURN_IF_ERROR(CheckInteger("optimizer.accumulate_steps", optimizer.accumulate_steps, 1, 256));
  if (optimizer.loss_scale_window < 1) {
    return InvalidField("optimizer.loss_scale_window", optimizer.loss_scale_window, "must be >= 1");
  }
  return LossScale::Make(optimizer).status();
}

absl::Status CheckSchedule(const ScheduleSpec& schedule, std::int64_t steps) {
  DVREN_RETURN_IF_ERROR(MakeSchedule(schedule).status());
  if (schedule.warmup_steps > steps) {
    return InvalidField("schedule.warmup_steps", schedule.warmup_steps,
                        absl::StrCat("must be at most steps = ", steps));
  }
  return absl::OkStatus();
}

absl::Status CheckLoss(const LossSpec& loss) {
  DVREN_RETURN_IF_ERROR(CheckPositive("loss.delta", loss.delta));
  return MakeLoss(loss).status();
}

absl::Status CheckRegularisers(const RegulariserSpec& regularisers) {
  for (const auto& [name, weight] : kRegularisers) {
    DVREN_RETURN_IF_ERROR(CheckNotNegative(absl::StrCat("regularisers.", name), regularisers.*weight));
  }
  return CheckInteger("regularisers.tv_every_steps", regularisers.tv_every_steps, 1, 1000);
}

absl::Status CheckRays(const RaySpec& rays) {
  static constexpr const char* kBackgrounds[] = {"white", "black", "random", "random_on_transparent"};
  DVREN_RETURN_IF_ERROR(CheckOneOf("rays.background", rays.background, kBackgrounds));
  DVREN_RETURN_IF_ERROR(CheckFraction("rays.foreground_fraction", rays.foreground_fraction));
  DVREN_RETURN_IF_ERROR(CheckBelowOne("rays.error_fraction", rays.error_fraction,
                                      "must be in [0, 1), so that every pixel keeps a chance"));
  DVREN_RETURN_IF_ERROR(CheckInteger("rays.error_cell", rays.error_cell, 4, 4096));
  return CheckBelowOne("rays.error_decay", rays.error_decay);
}

absl::Status CheckOccupancy(const OccupancySpec& occupancy) {
  if (occupancy.every_steps < 1) {
    return InvalidField("occupancy.every_steps", occupancy.every_steps, "must be >= 1");
  }
  DVREN_RETURN_IF_ERROR(CheckStep("occupancy.from_step", occupancy.from_step));
  DVREN_RETURN_IF_ERROR(CheckBelowOne("occupancy.alpha_threshold", occupancy.alpha_threshold));
  if (occupancy.seen_window < 1 || occupancy.seen_window > 120) {
    return InvalidField("occupancy.seen_window", occupancy.seen_window, "must be 1 to 120");
  }
  return CheckBelowOne("occupancy.weight_threshold", occupancy.weight_threshold);
}

absl::Status CheckCameras(const CameraRefineSpec& cameras) {
  DVREN_RETURN_IF_ERROR(CheckNotNegative("cameras.rotation_rate", cameras.rotation_rate));
  DVREN_RETURN_IF_ERROR(CheckNotNegative("cameras.translation_rate", cameras.translation_rate));
  DVREN_RETURN_IF_ERROR(CheckNotNegative("cameras.focal_rate", cameras.focal_rate));
  DVREN_RETURN_IF_ERROR(CheckNotNegative("cameras.distortion_rate", cameras.distortion_rate));
  DVREN_RETURN_IF_ERROR(CheckStep("cameras.from_step", cameras.from_step));
  const auto stuck = [](absl::string_view what, absl::string_view rates) {
    return InvalidField(what, "true", absl::StrCat("needs ", rates, " > 0"));
  };
  if (cameras.poses && cameras.rotation_rate == 0 && cameras.translation_rate == 0) {
    return stuck("cameras.poses", "cameras.rotation_rate or cameras.translation_rate");
  }
  if (cameras.focal && cameras.focal_rate == 0) return stuck("cameras.focal", "cameras.focal_rate");
  if (cameras.distortion && cameras.distortion_rate == 0) {
    return stuck("cameras.distortion", "cameras.distortion_rate");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateTrainingSpec(const TrainingSpec& spec) {
  static constexpr const char* kColorSpaces[] = {"srgb", "linear"};
  DVREN_RETURN_IF_ERROR(CheckInteger("steps", spec.steps, 1, 1'000'000'000));
  DVREN_RETURN_IF_ERROR(CheckPositive("step_voxels", spec.step_voxels));
  DVREN_RETURN_IF_ERROR(CheckBelowOne("early_stop", spec.early_stop, "must be in [0, 1); 0 turns it off"));
  DVREN_RETURN_IF_ERROR(CheckOneOf("color_space", spec.color_space, kColorSpaces));
  DVREN_RETURN_IF_ERROR(CheckField(spec.field));
  DVREN_RETURN_IF_ERROR(CheckOptimizer(spec.optimizer));
  DVREN_RETURN_IF_ERROR(CheckStages(spec));
  DVREN_RETURN_IF_ERROR(CheckSchedule(spec.schedule, spec.steps));
  DVREN_RETURN_IF_ERROR(CheckLoss(spec.loss));
  DVREN_RETURN_IF_ERROR(CheckRegularisers(spec.regularisers));
  DVREN_RETURN_IF_ERROR(CheckRays(spec.rays));
  DVREN_RETURN_IF_ERROR(CheckOccupancy(spec.occupancy));
  return CheckCameras(spec.cameras);
}

}  // namespace dvren
