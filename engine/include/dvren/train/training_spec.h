// What a training run is, as plain data. Every choice that changes a result is in here, so that a checkpoint can name
// it and two runs of the same spec on the same data give the same bits.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dvren/core/geometry.h"
#include "dvren/core/status.h"

namespace dvren {

// Steps at which something is done are counted from 0: `from_step` = 0 means from the first step on.

// The field that is trained: a dense grid of spherical harmonics with raw densities.
struct FieldSpec {
  int sh_degree = 1;                    // 0 (plain RGB), 1, 2
  Box box;                              // local space = world space
  std::string activation = "softplus";  // of density: identity, softplus, exp, trunc_exp
  double initial_density = -4;          // raw value, before the activation
  double initial_color = 0.5;           // of every voxel and direction
  // Of the values that rays read: f32, or f16, of which the optimizer keeps f32 masters for its steps. Where the grid
  // grows, the finer one begins with what is stored.
  std::string dtype = "f32";
};

// Coarse to fine: from `from_step` on, the grid has about resolution^3 voxels, all cubes.
struct StageSpec {
  std::int64_t from_step = 0;
  int resolution = 128;
  std::int64_t rays = 8192;  // per step of this stage
  int sh_degree = -1;        // of this stage, never below that of the stage before; -1: the field's
};

struct OptimizerSpec {
  std::string kind = "adam";  // a registered optimizer
  double density_rate = 0.15, color_rate = 0.02;
  double harmonics_rate = 0;  // of spherical harmonics above the constant; 0: color_rate
  double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-15;
  double momentum = 0;    // sgd, rmsprop
  bool nesterov = false;  // sgd
  double weight_decay = 0;
  bool sparse = true;  // voxels whose gradient is all zero are left alone, their moments too
  // The gradient of the field's values g, total variation included, before the optimizer sees it: first times
  // min(1, clip_norm / |g|), |g| the root of the sum of all squares, then each element limited to
  // [-clip_value, clip_value]. 0: not. Cameras are not clipped.
  double clip_norm = 0, clip_value = 0;
  // Batches of the stage's `rays` in a step, whose gradients are averaged: what one batch of all their rays would give,
  // in the memory of one. Batches of the caller's own are whole steps.
  int accumulate_steps = 1;
  // S, a power of two, or "dynamic". Gradients are sums of quanta; the quantum is 1/S of what it is by default, so that
  // smaller contributions count, and sums overflow sooner. An overflow is an error; with "dynamic" it halves S and the
  // step is skipped: nothing but the step counter and what rays have seen changes. S is 1 at first and doubles after
  // every loss_scale_window steps without an overflow.
  std::string loss_scale = "1";
  std::int64_t loss_scale_window = 1000;
};

struct ScheduleSpec {
  std::string kind = "exponential";  // a registered schedule
  double final_factor = 0.1;         // rate at the last step over the rate at the first
  std::int64_t warmup_steps = 0;     // the rate rises linearly over these
};

struct LossSpec {
  std::string kind = "mse";  // a registered loss
  double delta = 0.1;        // huber: where it turns linear
};

struct RegulariserSpec {
  double tv_density = 0, tv_color = 0;  // total variation of values that rays touch
  // Total variation counts in every n-th step alone, n times as much: nearly the same, and its cost is divided by n.
  int tv_every_steps = 1;
  double sparsity = 0;  // of the density along rays
  // How far a ray's weights lie apart, world units, the mean over rays (Mip-NeRF 360's distortion loss; hp_img_t).
  double distortion = 0;
};

struct RaySpec {
  std::string background = "random_on_transparent";  // white, black, random, random_on_transparent
  double foreground_fraction = 0.9;                  // of rays drawn near pixels that are not background
  // Draws error_fraction of the rays where renders were wrong: photographs are cut into cells of error_cell^2 pixels,
  // and a cell is drawn in proportion to its pixels times a moving average of their squared error, which keeps
  // error_decay of itself in every step that has rays in the cell. The other rays are drawn as without. The loss is not
  // divided by the chance of a ray: what is wrong counts for more.
  bool error_map = false;
  double error_fraction = 0.5;  // < 1: every pixel keeps a chance
  int error_cell = 32;
  double error_decay = 0.9;
};

struct OccupancySpec {
  std::int64_t every_steps = 50, from_step = 300;
  double alpha_threshold = 5e-3;   // opacity of one coarse segment below which a cell is empty
  double weight_threshold = 3e-3;  // a cell is seen when a ray has a weight of at least this in it
  int seen_window = 4;             // cells that were not seen in this many updates, nor next to one that was, are empty
};

struct CameraRefineSpec {
  bool poses = false, focal = false, distortion = false;
  double rotation_rate = 1e-3, translation_rate = 1e-3, focal_rate = 1e-3, distortion_rate = 1e-4;
  std::int64_t from_step = 0;
};

struct TrainingSpec {
  // Of stage i, its own or the field's.
  [[nodiscard]] int ShDegree(std::size_t i) const {
    return stages[i].sh_degree >= 0 ? stages[i].sh_degree : field.sh_degree;
  }
  std::int64_t steps = 1000;
  std::uint64_t seed = 0;
  double step_voxels = 0.5;  // segment length in voxel edges
  double early_stop = 5e-4;
  std::string color_space = "srgb";  // of the photographs, stored values undecoded
  FieldSpec field;
  std::vector<StageSpec> stages{StageSpec{}};
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  LossSpec loss;
  RegulariserSpec regularisers;
  RaySpec rays;
  OccupancySpec occupancy;
  CameraRefineSpec cameras;
};

// INVALID_ARGUMENT names the field, its value and what it must be; unknown kinds list the registered ones.
[[nodiscard]] absl::Status ValidateTrainingSpec(const TrainingSpec& spec);

}  // namespace dvren
