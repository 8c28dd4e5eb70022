#include "dvren/train/training_spec.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "unit/io/io_fixture.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Ok;
using io::test::Refused;

const double kNan = std::nan("");
constexpr double kInf = HUGE_VAL;

struct Mutation {
  const char* message;  // what the error holds: the field, its value
  std::function<void(TrainingSpec&)> apply;
};

// A number of the spec, and values that it must not have.
struct BadNumbers {
  const char* field;
  std::function<double&(TrainingSpec&)> number;
  std::vector<double> values;
};

struct BadCounts {
  const char* field;
  std::function<std::int64_t&(TrainingSpec&)> count;
  std::vector<std::int64_t> values;
};

}  // namespace

TEST_CASE("A training spec of defaults is valid") {
  const TrainingSpec spec;
  Ok(ValidateTrainingSpec(spec));
}

TEST_CASE("Every number of a training spec has its range") {
  const std::vector<double> not_positive{0, -1, kNan, kInf, -kInf}, negative{-1e-9, kNan, kInf};
  const std::vector<double> not_below_one{-1e-9, 1, 2, kNan, kInf}, not_fraction{-1e-9, 1.001, kNan, kInf};
  const std::vector<BadNumbers> table{
      {"step_voxels", [](auto& s) -> double& { return s.step_voxels; }, not_positive},
      {"early_stop", [](auto& s) -> double& { return s.early_stop; }, not_below_one},
      {"field.initial_density", [](auto& s) -> double& { return s.field.initial_density; }, {kNan, kInf, -1e39}},
      {"field.initial_color", [](auto& s) -> double& { return s.field.initial_color; }, not_fraction},
      {"field.box.x", [](auto& s) -> double& { return s.field.box.min[0]; }, {1, 2, kNan, -kInf}},
      {"field.box.z", [](auto& s) -> double& { return s.field.box.max[2]; }, {0, -2, kNan, kInf}},
      {"optimizer.density_rate", [](auto& s) -> double& { return s.optimizer.density_rate; }, not_positive},
      {"optimizer.color_rate", [](auto& s) -> double& { return s.optimizer.color_rate; }, not_positive},
      {"optimizer.harmonics_rate", [](auto& s) -> double& { return s.optimizer.harmonics_rate; }, negative},
      {"optimizer.beta1", [](auto& s) -> double& { return s.optimizer.beta1; }, not_below_one},
      {"optimizer.beta2", [](auto& s) -> double& { return s.optimizer.beta2; }, not_below_one},
      {"optimizer.epsilon", [](auto& s) -> double& { return s.optimizer.epsilon; }, not_positive},
      {"optimizer.momentum", [](auto& s) -> double& { return s.optimizer.momentum; }, not_below_one},
      {"optimizer.weight_decay", [](auto& s) -> double& { return s.optimizer.weight_decay; }, negative},
      {"schedule.final_factor", [](auto& s) -> double& { return s.schedule.final_factor; }, not_positive},
      {"loss.delta", [](auto& s) -> double& { return s.loss.delta; }, not_positive},
      {"regularisers.tv_density", [](auto& s) -> double& { return s.regularisers.tv_density; }, negative},
      {"regularisers.tv_color", [](auto& s) -> double& { return s.regularisers.tv_color; }, negative},
      {"regularisers.sparsity", [](auto& s) -> double& { return s.regularisers.sparsity; }, negative},
      {"regularisers.distortion", [](auto& s) -> double& { return s.regularisers.distortion; }, negative},
      {"rays.foreground_fraction", [](auto& s) -> double& { return s.rays.foreground_fraction; }, not_fraction},
      {"occupancy.alpha_threshold", [](auto& s) -> double& { return s.occupancy.alpha_threshold; }, not_below_one},
      {"occupancy.weight_threshold", [](auto& s) -> double& { return s.occupancy.weight_threshold; }, not_below_one},
      {"cameras.rotation_rate", [](auto& s) -> double& { return s.cameras.rotation_rate; }, negative},
      {"cameras.translation_rate", [](auto& s) -> double& { return s.cameras.translation_rate; }, negative},
      {"cameras.focal_rate", [](auto& s) -> double& { return s.cameras.focal_rate; }, negative},
      {"cameras.distortion_rate", [](auto& s) -> double& { return s.cameras.distortion_rate; }, negative},
  };
  for (const BadNumbers& row : table) {
    for (const double value : row.values) {
      TrainingSpec spec;
      row.number(spec) = value;
      CAPTURE(row.field, value);
      CHECK(Refused(ValidateTrainingSpec(spec), StatusCode::kInvalidArgument, {row.field, " = ", ": must be "}));
    }
  }
}

TEST_CASE("Every count of a training spec has its range") {
  const std::vector<BadCounts> table{
      {"steps", [](auto& s) -> std::int64_t& { return s.steps; }, {0, -1, 1'000'000'001, INT64_MAX, INT64_MIN}},
      {"stages[0].from_step", [](auto& s) -> std::int64_t& { return s.stages[0].from_step; }, {1, -1}},
      {"stages[0].rays", [](auto& s) -> std::int64_t& { return s.stages[0].rays; }, {0, -1, (1 << 22) + 1}},
      {"schedule.warmup_steps", [](auto& s) -> std::int64_t& { return s.schedule.warmup_steps; }, {-1, 1001}},
      {"occupancy.every_steps", [](auto& s) -> std::int64_t& { return s.occupancy.every_steps; }, {0, -1}},
      {"occupancy.from_step", [](auto& s) -> std::int64_t& { return s.occupancy.from_step; }, {-1}},
      {"cameras.from_step", [](auto& s) -> std::int64_t& { return s.cameras.from_step; }, {-1}},
  };
  for (const BadCounts& row : table) {
    for (const std::int64_t value : row.values) {
      TrainingSpec spec;
      row.count(spec) = value;
      CAPTURE(row.field, value);
      const std::string named = absl::StrCat(row.field, " = ", value, ": must be ");
      CHECK(Refused(ValidateTrainingSpec(spec), StatusCode::kInvalidArgument, {named.c_str()}));
    }
  }
  const std::vector<Mutation> integers{
      {"field.sh_degree = -1: must be 0 to 2", [](auto& s) { s.field.sh_degree = -1; }},
      {"field.sh_degree = 3: must be 0 to 2", [](auto& s) { s.field.sh_degree = 3; }},
      {"stages[0].resolution = 7: must be 8 to 1024", [](auto& s) { s.stages[0].resolution = 7; }},
      {"stages[0].resolution = 1025: must be 8 to 1024", [](auto& s) { s.stages[0].resolution = 1025; }},
      {"occupancy.seen_window = 0: must be 1 to 120", [](auto& s) { s.occupancy.seen_window = 0; }},
      {"regularisers.tv_every_steps = 0: must be 1 to 1000", [](auto& s) { s.regularisers.tv_every_steps = 0; }},
      {"occupancy.seen_window = 121: must be 1 to 120", [](auto& s) { s.occupancy.seen_window = 121; }},
  };
  for (const Mutation& row : integers) {
    TrainingSpec spec;
    row.apply(spec);
    CHECK(Refused(ValidateTrainingSpec(spec), StatusCode::kInvalidArgument, {row.message}));
  }
}

TEST_CASE("The ends of the ranges of a training spec are inside") {
  const std::vector<std::function<void(TrainingSpec&)>> table{
      [](auto& s) { s.steps = 1; },
      [](auto& s) { s.steps = 1'000'000'000; },
      [](auto& s) { s.early_stop = 0; },
      [](auto& s) { s.field.sh_degree = 0; },
      [](auto& s) { s.field.sh_degree = 2; },
      [](auto& s) { s.field.initial_color = 0; },
      [](auto& s) { s.field.initial_color = 1; },
      [](auto& s) { s.field.activation = "identity", s.field.initial_density = 0; },
      [](auto& s) { s.field.activation = "exp", s.field.initial_density = 88; },
      [](auto& s) {
        s.stages = {{0, 8, 1}, {1, 8, 1 << 22}, {999, 1024, 1}};
      },
      [](auto& s) { s.optimizer.beta1 = s.optimizer.beta2 = 0; },
      [](auto& s) { s.optimizer.kind = "sgd", s.optimizer.momentum = 0.9, s.optimizer.nesterov = true; },
      [](auto& s) { s.optimizer.kind = "adamw"; },
      [](auto& s) { s.optimizer.kind = "rmsprop"; },
      [](auto& s) { s.schedule.warmup_steps = s.steps; },
      [](auto& s) { s.schedule.kind = "linear", s.schedule.final_factor = 0; },
      [](auto& s) { s.schedule.kind = "constant"; },
      [](auto& s) { s.loss.kind = "huber", s.loss.delta = 7; },
      [](auto& s) { s.loss.kind = "l1"; },
      [](auto& s) { s.rays.background = "white"; },
      [](auto& s) { s.rays.background = "black"; },
      [](auto& s) { s.rays.background = "random"; },
      [](auto& s) { s.rays.foreground_fraction = 0; },
      [](auto& s) { s.rays.foreground_fraction = 1; },
      [](auto& s) { s.color_space = "linear"; },
      [](auto& s) {
        s.occupancy = {1, 0, 0, 0, 1};
      },
      [](auto& s) { s.occupancy.seen_window = 120; },
      [](auto& s) { s.cameras.rotation_rate = 0, s.cameras.poses = true; },
      [](auto& s) { s.cameras.focal_rate = 0; },
  };
  for (std::size_t i = 0; i < table.size(); ++i) {
    CAPTURE(i);
    TrainingSpec spec;
    table[i](spec);
    const absl::Status status = ValidateTrainingSpec(spec);
    INFO(status.ToString());
    CHECK(status.ok());
  }
}

TEST_CASE("Unknown names in a training spec list the known ones") {
  const std::vector<std::pair<Mutation, const char*>> table{
      {{"field.activation = relu: ", [](auto& s) { s.field.activation = "relu"; }},
       "identity, softplus, exp, trunc_exp"},
      {{"field.dtype = bf16: ", [](auto& s) { s.field.dtype = "bf16"; }}, "f32, f16"},
      {{"optimizer.kind = lion: ", [](auto& s) { s.optimizer.kind = "lion"; }}, "adam, adamw, rmsprop, sgd"},
      {{"schedule.kind = step: ", [](auto& s) { s.schedule.kind = "step"; }}, "constant, cosine, exponential, linear"},
      {{"loss.kind = ssim: ", [](auto& s) { s.loss.kind = "ssim"; }}, "huber, l1, mse"},
      {{"rays.background = grey: ", [](auto& s) { s.rays.background = "grey"; }},
       "white, black, random, random_on_transparent"},
      {{"color_space = rec709: ", [](auto& s) { s.color_space = "rec709"; }}, "srgb, linear"},
      {{"color_space = : ", [](auto& s) { s.color_space = ""; }}, "srgb, linear"},
  };
  for (const auto& [row, known] : table) {
    TrainingSpec spec;
    row.apply(spec);
    CHECK(Refused(ValidateTrainingSpec(spec), StatusCode::kInvalidArgument, {row.message, "one of ", known}));
  }
}

TEST_CASE("Choices of a training spec that contradict each other are refused") {
  const std::vector<Mutation> table{
      {"stages = none", [](auto& s) { s.stages.clear(); }},
      {"stages[1].from_step = 0",
       [](auto& s) {
         s.stages = {{0, 64, 1}, {0, 64, 1}};
       }},
      {"stages[2].from_step = 10",
       [](auto& s) {
         s.stages = {{0, 64, 1}, {20, 64, 1}, {10, 64, 1}};
       }},
      {"stages[1].resolution = 32",
       [](auto& s) {
         s.stages = {{0, 64, 1}, {20, 32, 1}};
       }},
      {"stages[1].sh_degree = 0: must not be below that of the stage before, 1",
       [](auto& s) {
         s.stages = {{0, 64, 1}, {20, 64, 1, 0}};
       }},
      {"stages[0].sh_degree = 3: must be -1 to 2",
       [](auto& s) {
         s.stages = {{0, 64, 1, 3}};
       }},
      {"stages[1].rays = 0",
       [](auto& s) {
         s.stages = {{0, 64, 1}, {20, 64, 0}};
       }},
      {"field.initial_density = -4: field.activation = identity", [](auto& s) { s.field.activation = "identity"; }},
      {"field.initial_density = 89: field.activation = exp",
       [](auto& s) { s.field.activation = "exp", s.field.initial_density = 89; }},
      {"field.initial_density = 89: field.activation = trunc_exp",
       [](auto& s) { s.field.activation = "trunc_exp", s.field.initial_density = 89; }},
      {"field.initial_density = -65505: field.dtype = f16 goes to 65504",
       [](auto& s) { s.field.dtype = "f16", s.field.initial_density = -65505; }},
      {"optimizer.momentum = 0.5: optimizer.kind = adam has none", [](auto& s) { s.optimizer.momentum = 0.5; }},
      {"optimizer.nesterov = true: optimizer.kind = rmsprop has none",
       [](auto& s) { s.optimizer.nesterov = true, s.optimizer.kind = "rmsprop"; }},
      {"optimizer.nesterov = true: needs optimizer.momentum > 0",
       [](auto& s) { s.optimizer.nesterov = true, s.optimizer.kind = "sgd"; }},
      {"optimizer.clip_norm = -1", [](auto& s) { s.optimizer.clip_norm = -1; }},
      {"optimizer.clip_norm = nan", [](auto& s) { s.optimizer.clip_norm = std::nan(""); }},
      {"optimizer.clip_value = inf", [](auto& s) { s.optimizer.clip_value = HUGE_VAL; }},
      {"optimizer.accumulate_steps = 0: must be 1 to 256", [](auto& s) { s.optimizer.accumulate_steps = 0; }},
      {"stages[0].rays = 131072: times optimizer.accumulate_steps = 256 must be at most 16777216",
       [](auto& s) { s.stages[0].rays = 131072, s.optimizer.accumulate_steps = 256; }},
      {"optimizer.loss_scale = 3: must be dynamic or a power of two",
       [](auto& s) { s.optimizer.loss_scale = std::string("3"); }},
      {"optimizer.loss_scale = -2: ", [](auto& s) { s.optimizer.loss_scale = std::string("-2"); }},
      {"optimizer.loss_scale = 0: ", [](auto& s) { s.optimizer.loss_scale = std::string("0"); }},
      {"optimizer.loss_scale = nan: ", [](auto& s) { s.optimizer.loss_scale = std::string("nan"); }},
      {"optimizer.loss_scale = static: ", [](auto& s) { s.optimizer.loss_scale = std::string("static"); }},
      {"optimizer.loss_scale = 2147483648: ", [](auto& s) { s.optimizer.loss_scale = std::string("2147483648"); }},
      {"optimizer.loss_scale_window = 0: must be >= 1", [](auto& s) { s.optimizer.loss_scale_window = 0; }},
      {"rays.error_fraction = 1: must be in [0, 1), so that every pixel", [](auto& s) { s.rays.error_fraction = 1; }},
      {"rays.error_cell = 3: must be 4 to 4096", [](auto& s) { s.rays.error_cell = 3; }},
      {"rays.error_decay = 1: ", [](auto& s) { s.rays.error_decay = 1; }},
      {"schedule.final_factor = 0.5: ", [](auto& s) { s.schedule.kind = "constant", s.schedule.final_factor = 0.5; }},
      {"schedule.warmup_steps = 5: must be at most steps = 4",
       [](auto& s) { s.steps = 4, s.schedule.warmup_steps = 5; }},
      {"loss.delta = 0.5: ", [](auto& s) { s.loss.delta = 0.5; }},
      {"cameras.poses = true: needs cameras.rotation_rate or cameras.translation_rate > 0",
       [](auto& s) { s.cameras.poses = true, s.cameras.rotation_rate = s.cameras.translation_rate = 0; }},
      {"cameras.focal = true: needs cameras.focal_rate > 0",
       [](auto& s) { s.cameras.focal = true, s.cameras.focal_rate = 0; }},
      {"cameras.distortion = true: needs cameras.distortion_rate > 0",
       [](auto& s) { s.cameras.distortion = true, s.cameras.distortion_rate = 0; }},
  };
  for (const Mutation& row : table) {
    TrainingSpec spec;
    row.apply(spec);
    CHECK(Refused(ValidateTrainingSpec(spec), StatusCode::kInvalidArgument, {row.message}));
  }
}

}  // namespace dvren::test
