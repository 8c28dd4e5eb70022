// Plans: checked once, then plain arguments.
#include <cmath>

#include "abi/affine.h"
#include "abi/error.h"
#include "abi/lens_fold.h"
#include "abi/objects.h"
#include "abi/single.h"

using hp::Fail;
using hp::Guard;

namespace {

constexpr int32_t kMaxEdge = 32768, kDefaultTile = 16, kMaxTile = 1024;
constexpr int64_t kMaxSteps = int64_t{1} << 24;

// What f32 arithmetic can hold of a camera: ray directions are squared on the way.
hp_status CheckSingleCamera(const hp_camera& c) {
  using hp::FitsSingle;
  const double kLargest = 1e15;
  HP_REQUIRE(FitsSingle(c.t_near), "camera.t_near = %g: too large for f32; use f64", c.t_near);
  for (int i = 0; i < 12; ++i) {
    HP_REQUIRE(FitsSingle(c.camera_to_world.m[i]), "camera.camera_to_world[%d] = %g: too large for f32; use f64", i,
               c.camera_to_world.m[i]);
  }
  for (int i = 0; i < 3; ++i) {
    const double* m = c.camera_to_world.m;
    const double length = std::hypot(m[i], m[4 + i], m[8 + i]);
    HP_REQUIRE(
        length >= 1 / kLargest && length <= kLargest,
        "camera.camera_to_world column %d has length %g: must be within 1e-15 to 1e15 in f32; use f64, or a rotation",
        i, length);
  }
  if (c.model == HP_CAMERA_ORTHOGRAPHIC) {
    HP_REQUIRE(c.ortho_scale < kLargest, "camera.ortho_scale = %g: must be below 1e15 in f32; use f64", c.ortho_scale);
    return HP_STATUS_OK;
  }
  const double u = std::fmax(std::fabs(c.cx), std::fabs(c.width - c.cx)) / c.fx;
  const double v = std::fmax(std::fabs(c.cy), std::fabs(c.height - c.cy)) / c.fy;
  HP_REQUIRE(u <= kLargest, "camera.fx = %g, cx = %g: the image reaches %g from the axis; must be below 1e15 in f32",
             c.fx, c.cx, u);
  HP_REQUIRE(v <= kLargest, "camera.fy = %g, cy = %g: the image reaches %g from the axis; must be below 1e15 in f32",
             c.fy, c.cy, v);
  return HP_STATUS_OK;
}

hp_status CheckCamera(const hp_camera& c, hp::CameraArgs* out) {
  HP_REQUIRE(c.struct_size == sizeof c, "camera.struct_size = %u: must be %zu (use HP_INIT)", c.struct_size, sizeof c);
  HP_REQUIRE(c.width >= 1 && c.width <= kMaxEdge, "camera.width = %d: must be 1 to %d", c.width, kMaxEdge);
  HP_REQUIRE(c.height >= 1 && c.height <= kMaxEdge, "camera.height = %d: must be 1 to %d", c.height, kMaxEdge);
  const bool orthographic = c.model == HP_CAMERA_ORTHOGRAPHIC;
  HP_REQUIRE(orthographic || c.model == HP_CAMERA_PINHOLE || c.model == HP_CAMERA_FISHEYE,
             "camera.model = %d: must be pinhole, fisheye or orthographic", c.model);
  if (orthographic) {
    HP_REQUIRE(std::isfinite(c.ortho_scale) && c.ortho_scale > 0, "camera.ortho_scale = %g: must be finite and > 0",
               c.ortho_scale);
  } else {
    HP_REQUIRE(std::isfinite(c.fx) && c.fx > 0, "camera.fx = %g: must be finite and > 0", c.fx);
    HP_REQUIRE(std::isfinite(c.fy) && c.fy > 0, "camera.fy = %g: must be finite and > 0", c.fy);
    HP_REQUIRE(std::isfinite(c.cx), "camera.cx = %g: must be finite", c.cx);
    HP_REQUIRE(std::isfinite(c.cy), "camera.cy = %g: must be finite", c.cy);
    for (int i = 0; i < 5; ++i) {
      HP_REQUIRE(std::isfinite(c.distortion[i]), "camera.distortion[%d] = %g: must be finite", i, c.distortion[i]);
    }
  }
  hp_affine inverse;
  HP_REQUIRE(hp::Invert(c.camera_to_world, &inverse), "camera.camera_to_world: must be finite and not singular");
  HP_REQUIRE(std::isfinite(c.t_near) && c.t_near >= 0, "camera.t_near = %g: must be finite and >= 0", c.t_near);
  HP_REQUIRE(c.t_far > c.t_near, "camera.t_far = %g: must be > t_near = %g", c.t_far, c.t_near);
  out->model = c.model;
  out->width = c.width;
  out->height = c.height;
  out->fx = c.fx;
  out->fy = c.fy;
  out->cx = c.cx;
  out->cy = c.cy;
  for (int i = 0; i < 5; ++i) out->distortion[i] = orthographic ? 0 : c.distortion[i];
  out->fold = hp::LensFold(c.model, out->distortion);
  out->ortho_scale = c.ortho_scale;
  for (int i = 0; i < 12; ++i) out->camera_to_world[i] = c.camera_to_world.m[i];
  out->t_near = c.t_near;
  out->t_far = c.t_far;
  return HP_STATUS_OK;
}

}  // namespace

extern "C" {

hp_status hp_plan_create(hp_ctx* ctx, const hp_plan_desc* desc, hp_plan** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(ctx && out, "ctx, out = NULL: required");
    HP_REQUIRE_DESC(desc, "plan_desc");
    auto plan = std::make_unique<hp_plan>();
    plan->ctx = ctx;
    hp::PlanArgs& a = plan->args;
    HP_REQUIRE(desc->precision == HP_PRECISION_F32 || desc->precision == HP_PRECISION_F64,
               "plan.precision = %d: must be f32 or f64", desc->precision);
    const bool single = desc->precision == HP_PRECISION_F32;
    if (desc->camera) {
      HP_RETURN_IF_ERROR(CheckCamera(*desc->camera, &a.camera));
      if (single) HP_RETURN_IF_ERROR(CheckSingleCamera(*desc->camera));
      a.has_camera = 1;
    }
    HP_REQUIRE(desc->sampling >= HP_SAMPLING_FIXED && desc->sampling <= HP_SAMPLING_UNIFORM_JITTER,
               "plan.sampling = %d: must be fixed, stratified or uniform jitter", desc->sampling);
    HP_REQUIRE(std::isfinite(desc->dt) && desc->dt > 0, "plan.dt = %g: must be finite and > 0", desc->dt);
    HP_REQUIRE(desc->max_steps >= 1 && desc->max_steps <= kMaxSteps, "plan.max_steps = %lld: must be 1 to %lld",
               static_cast<long long>(desc->max_steps), static_cast<long long>(kMaxSteps));
    HP_REQUIRE(desc->early_stop >= 0 && desc->early_stop < 1, "plan.early_stop = %g: must be in [0, 1); 0 = off",
               desc->early_stop);
    for (int i = 0; i < 3; ++i) {
      HP_REQUIRE(std::isfinite(desc->background[i]), "plan.background[%d] = %g: must be finite", i,
                 desc->background[i]);
      HP_REQUIRE(!single || hp::FitsSingle(desc->background[i]), "plan.background[%d] = %g: too large for f32; use f64",
                 i, desc->background[i]);
      a.background[i] = desc->background[i];
    }
    HP_REQUIRE(desc->tile >= 0 && desc->tile <= kMaxTile, "plan.tile = %d: must be 0 (default) to %d", desc->tile,
               kMaxTile);
    // float(dt) must be a usable step in the plan's precision.
    HP_REQUIRE(!single || (static_cast<float>(desc->dt) > 1e-30f && desc->dt < 1e30),
               "plan.dt = %g: must be within 1e-30 to 1e30 in f32", desc->dt);
    a.sampler = desc->sampling - HP_SAMPLING_FIXED;
    a.dt = desc->dt;
    a.max_steps = static_cast<int32_t>(desc->max_steps);
    a.seed = desc->seed;
    a.early_stop = desc->early_stop;
    a.skip_empty = desc->skip_empty != 0;
    a.note_seen = desc->note_seen != 0;
    plan->precision = desc->precision;
    plan->tile = desc->tile ? desc->tile : kDefaultTile;
    *out = plan.release();
    return HP_STATUS_OK;
  });
}

void hp_plan_destroy(hp_plan* plan) {
  delete plan;
}

}  // extern "C"
