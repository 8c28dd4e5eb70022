// Plain arguments of kernels: what the ABI layer hands to a backend, and a backend to its bodies. Host doubles; bodies
// convert to their own precision. No pointers to anything but device memory of the field and the caller's tensors.
#pragma once

#include <cstdint>

#include "hotpath/hp.h"

namespace hp {

// Strided view of one tensor, typed by the reader. stride0 counts rows of the leading axis.
struct View {
  void* data = nullptr;
  int64_t stride0 = 0, stride1 = 0, stride2 = 0;  // elements
};

struct CameraArgs {
  int32_t model = 0;  // hp_camera_model
  int32_t width = 0, height = 0;
  double fx = 0, fy = 0, cx = 0, cy = 0;
  double distortion[5] = {0, 0, 0, 0, 0};
  double fold = 0;  // as far as the lens maps: squared radius (pinhole), angle (fisheye)
  double ortho_scale = 1;
  double camera_to_world[12] = {0};
  double t_near = 0, t_far = 0;
};

struct PlanArgs {
  CameraArgs camera;
  int32_t has_camera = 0;
  int32_t sampler = 0;  // index in the table of samplers
  double dt = 0;
  int32_t max_steps = 0;
  uint64_t seed = 0;
  double early_stop = 0;
  double background[3] = {0, 0, 0};
  int32_t skip_empty = 1;
  int32_t note_seen = 0;
};

// A field as bodies see it: which field type (index in the table of fields), its storage, its geometry and its own
// view.
inline constexpr int kFieldViewBytes = 128;
struct FieldArgs {
  int32_t type = 0;
  int32_t half_storage = 0;  // 1: f16 values
  int32_t channels = 0;
  double world_to_grid[12] = {0};  // world space to grid space, in which voxel values sit at integer coordinates
  double lo[3] = {0, 0, 0}, hi[3] = {0, 0, 0};  // clip box in grid space
  int32_t unbounded = 0;
  alignas(16) unsigned char view[kFieldViewBytes] = {0};
};

struct ColorArgs {
  double sigma_scale = 1;
  double color[3] = {1, 1, 1};
  int32_t knots = 0;
  double density[HP_MAX_TRANSFER_KNOTS];
  double rgb[HP_MAX_TRANSFER_KNOTS][3];
};

struct RaysArgs {
  View origins, directions, t_near, t_far, ids;  // ids.data may be null: the index
  int64_t count = 0;
  const uint32_t* order = nullptr;  // in which rays are taken, a permutation; null: as they come. Changes no bits.
};

struct ImageArgs {
  View rgb, opacity, transmittance, depth, distortion, hit, radiance;  // (H, W[, 3]); data may be null
  View counts;                                                         // (H, W, 2), int32_t
};

struct SampArgs {
  View t, dt, sigma, rgb, count;
  int64_t capacity = 0;  // samples per ray
};

struct IntlArgs {
  View rgb, transmittance, opacity, depth, distortion, end;  // the last two may be null
};

// Two's complement, 128 bits: what a sum over all rays adds up in, exactly.
struct Sum128 {
  uint64_t low = 0;
  int64_t high = 0;
};

struct Counters {
  int64_t value[HP_COUNTER_COUNT] = {0};
  Sum128* sums = nullptr;  // HP_SUM_COUNT of this thread's own, where a job wants them
  void* log = nullptr;     // of this thread's own: where the backend puts contributions to field values off
};

// What backward reads and writes besides rays, field and colours.
struct GradientArgs {
  View d_rgb, d_opacity, d_transmittance, d_depth, d_distortion;  // dL/d(image); data may be null
  View radiance, transmittance, depth, distortion;      // of the forward; the last may be null without d_distortion
  View d_origins, d_directions, d_t_near, d_t_far;      // of given rays; data may be null
  View d_sample_t, d_sample_dt, d_sigma, d_sample_rgb;  // staged: dL/d(samples)
  void* store = nullptr;                                // the backend's sums of field values; null: not wanted
  int32_t exponent = 0;                                 // of its quantum
  uint32_t wanted = 0;                                  // hp_wanted
  int64_t* sums = nullptr;                              // (HP_SUM_COUNT, 2), added to; null: not wanted

  // Whether anything is asked for, besides the step, that depends on where the samples are.
  bool wants_place() const {
    return (wanted & HP_WANT_CAMERA) != 0 || d_origins.data || d_directions.data || d_t_near.data || d_t_far.data;
  }
};

// A ray and what the loss says of it, multiplied by the sink's scale: for the gradient of the step, which kernels of
// every precision compute in double (bodies/step_ray.h).
struct StepRay {
  double origin[3], direction[3], t_near, t_far;
  uint32_t id_low, id_high;
  double d_rgb[3], d_depth, d_transmittance, d_distortion;  // dL/d(radiance), dL/d(depth), dL/dT_n, dL/dD
};

// All arguments of one op. What an op does not use stays empty.
struct Job {
  PlanArgs plan;
  FieldArgs field;
  ColorArgs color;
  hp_roi roi = {0, 0, 0, 0};
  RaysArgs rays;  // count > 0, or no camera: given rays; else pixels of roi
  ImageArgs image;
  SampArgs samples;
  IntlArgs integrals;
  GradientArgs gradients;
  View positions, directions, sigma, rgb;  // evaluate
  int64_t count = 0;                       // rays or positions
  int32_t tile = 16;                       // pixels
};

}  // namespace hp
