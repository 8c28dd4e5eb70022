#include "abi/checks.h"

#include <cmath>

#include "abi/affine.h"
#include "abi/error.h"
#include "abi/field_build.h"
#include "abi/single.h"

namespace hp {

hp_dtype RealType(const hp_plan& plan) {
  return plan.precision == HP_PRECISION_F64 ? HP_DTYPE_F64 : HP_DTYPE_F32;
}

// A tensor of the given dtype and shape, or absent where allowed.
hp_status CheckTensor(const char* name, const hp_tensor& t, hp_dtype dtype, std::initializer_list<int64_t> shape,
                      bool optional, View* out) {
  *out = {};
  if (optional && t.data == nullptr) return HP_STATUS_OK;
  HP_REQUIRE(t.struct_size == sizeof t, "%s.struct_size = %u: must be %zu (use HP_INIT)", name, t.struct_size,
             sizeof t);
  HP_REQUIRE(t.data != nullptr, "%s.data = NULL: required", name);
  HP_REQUIRE(t.dtype == dtype, "%s.dtype = %d: must be %d", name, t.dtype, dtype);
  HP_REQUIRE(t.rank == static_cast<int32_t>(shape.size()), "%s.rank = %d: must be %zu", name, t.rank, shape.size());
  int i = 0;
  for (int64_t extent : shape) {
    HP_REQUIRE(t.shape[i] == extent, "%s.shape[%d] = %lld: must be %lld", name, i, static_cast<long long>(t.shape[i]),
               static_cast<long long>(extent));
    ++i;
  }
  out->data = t.data;
  out->stride0 = t.rank > 0 ? t.strides[0] : 0;
  out->stride1 = t.rank > 1 ? t.strides[1] : 0;
  out->stride2 = t.rank > 2 ? t.strides[2] : 0;
  return HP_STATUS_OK;
}

hp_status CheckCounters(const hp_tensor& counters, int64_t** out) {
  *out = nullptr;
  if (counters.data == nullptr) return HP_STATUS_OK;
  View view;
  HP_RETURN_IF_ERROR(CheckTensor("counters", counters, HP_DTYPE_I64, {HP_COUNTER_COUNT}, false, &view));
  HP_REQUIRE(view.stride0 == 1, "counters.strides[0] = %lld: must be 1", static_cast<long long>(view.stride0));
  *out = static_cast<int64_t*>(view.data);
  return HP_STATUS_OK;
}

hp_status CheckRays(const hp_plan& plan, const hp_rays_t& rays, RaysArgs* out) {
  HP_REQUIRE(rays.struct_size == sizeof rays, "rays.struct_size = %u: must be %zu (use HP_INIT)", rays.struct_size,
             sizeof rays);
  const int64_t n = rays.origins.rank == 2 ? rays.origins.shape[0] : -1;
  HP_REQUIRE(n >= 1 && n < (int64_t{1} << 31), "rays.origins.shape[0] = %lld: must be 1 to 2^31 - 1",
             static_cast<long long>(n));
  const hp_dtype real = RealType(plan);
  HP_RETURN_IF_ERROR(CheckTensor("rays.origins", rays.origins, real, {n, 3}, false, &out->origins));
  HP_RETURN_IF_ERROR(CheckTensor("rays.directions", rays.directions, real, {n, 3}, false, &out->directions));
  HP_RETURN_IF_ERROR(CheckTensor("rays.t_near", rays.t_near, real, {n}, false, &out->t_near));
  HP_RETURN_IF_ERROR(CheckTensor("rays.t_far", rays.t_far, real, {n}, false, &out->t_far));
  HP_RETURN_IF_ERROR(CheckTensor("rays.ids", rays.ids, HP_DTYPE_I64, {n}, true, &out->ids));
  out->count = n;
  return HP_STATUS_OK;
}

hp_status CheckRoi(const hp_plan& plan, hp_roi roi) {
  HP_REQUIRE(plan.args.has_camera, "plan.camera = NULL: required when no rays are given");
  const CameraArgs& c = plan.args.camera;
  HP_REQUIRE(roi.width >= 1 && roi.height >= 1 && roi.x >= 0 && roi.y >= 0 && roi.x <= c.width - roi.width &&
                 roi.y <= c.height - roi.height,
             "roi = %d,%d,%d,%d: must be a non-empty rectangle of the %dx%d image", roi.x, roi.y, roi.width, roi.height,
             c.width, c.height);
  return HP_STATUS_OK;
}

// f32 kernels: everything that reaches them must be a number there.
static hp_status CheckSingleInstance(const hp_instance& in, const FieldArgs& field) {
  HP_REQUIRE(FitsSingle(in.sigma_scale), "instances[0].sigma_scale = %g: too large for f32; use f64", in.sigma_scale);
  for (int i = 0; i < 12; ++i) {
    HP_REQUIRE(FitsSingle(field.world_to_grid[i]),
               "instances[0].object_to_world: world to grid has an entry %g, too large for f32; use f64 or another "
               "unit of length",
               field.world_to_grid[i]);
  }
  for (int i = 0; i < 3; ++i) {
    HP_REQUIRE(FitsSingle(in.color[i]), "instances[0].color[%d] = %g: too large for f32; use f64", i, in.color[i]);
  }
  for (int i = 0; i < in.knot_count; ++i) {
    HP_REQUIRE(FitsSingle(in.knot_density[i]), "instances[0].knot_density[%d] = %g: too large for f32; use f64", i,
               in.knot_density[i]);
    for (int c = 0; c < 3; ++c) {
      HP_REQUIRE(FitsSingle(in.knot_rgb[3 * i + c]), "instances[0].knot_rgb[%d] = %g: too large for f32; use f64",
                 3 * i + c, in.knot_rgb[3 * i + c]);
    }
    if (i == 0) continue;
    const double gap = in.knot_density[i] - in.knot_density[i - 1];
    HP_REQUIRE(
        static_cast<float>(in.knot_density[i]) > static_cast<float>(in.knot_density[i - 1]) && FitsSingle(1 / gap),
        "instances[0].knot_density[%d] = %g: f32 cannot tell it from the one before; move them apart or use f64", i,
        in.knot_density[i]);
  }
  return HP_STATUS_OK;
}

hp_status CheckInstances(const hp_stream& stream, const hp_instance* instances, int32_t count, const hp_plan& plan,
                         bool need_pointwise, Job* job) {
  HP_REQUIRE(instances && count >= 1, "instances: at least one is required");
  if (count > 1)
    return Fail(HP_STATUS_NOT_IMPLEMENTED, "instances = %d: several instances are not implemented; pass one", count);
  const hp_instance& in = instances[0];
  HP_REQUIRE(in.struct_size == sizeof in, "instances[0].struct_size = %u: must be %zu (use HP_INIT)", in.struct_size,
             sizeof in);
  HP_REQUIRE(in.field, "instances[0].field = NULL: required");
  HP_REQUIRE(in.field->ctx == stream.ctx, "instances[0].field: belongs to another context than the stream");
  if (need_pointwise && in.field->info.kind != HP_FIELD_POINTWISE) {
    return Fail(HP_STATUS_UNSUPPORTED,
                "instances[0].field: batched fields go through hp_field_evaluate and the staged ops");
  }
  HP_REQUIRE(std::isfinite(in.sigma_scale) && in.sigma_scale >= 0,
             "instances[0].sigma_scale = %g: must be finite and >= 0", in.sigma_scale);
  job->field = in.field->args;
  if (!plan.args.note_seen) ForgetSeen(&job->field);
  const hp_affine grid_to_world =
      Compose(in.object_to_world, Compose(in.field->info.local_to_world, in.field->grid_to_local));
  hp_affine world_to_grid;
  HP_REQUIRE(Invert(grid_to_world, &world_to_grid), "instances[0].object_to_world: must be finite and not singular");
  for (int i = 0; i < 12; ++i) job->field.world_to_grid[i] = world_to_grid.m[i];
  job->color.sigma_scale = in.sigma_scale;
  for (int i = 0; i < 3; ++i) {
    HP_REQUIRE(std::isfinite(in.color[i]), "instances[0].color[%d] = %g: must be finite", i, in.color[i]);
    job->color.color[i] = in.color[i];
  }
  HP_REQUIRE(in.knot_count >= 0 && in.knot_count <= HP_MAX_TRANSFER_KNOTS,
             "instances[0].knot_count = %d: must be 0 to %d", in.knot_count, HP_MAX_TRANSFER_KNOTS);
  HP_REQUIRE(in.knot_count == 0 || (in.knot_density && in.knot_rgb),
             "instances[0].knot_density, knot_rgb = NULL: required");
  for (int i = 0; i < in.knot_count; ++i) {
    HP_REQUIRE(std::isfinite(in.knot_density[i]) && (i == 0 || in.knot_density[i] > in.knot_density[i - 1]),
               "instances[0].knot_density[%d] = %g: must be finite and larger than the one before", i,
               in.knot_density[i]);
    job->color.density[i] = in.knot_density[i];
    for (int c = 0; c < 3; ++c) {
      HP_REQUIRE(std::isfinite(in.knot_rgb[3 * i + c]), "instances[0].knot_rgb[%d] = %g: must be finite", 3 * i + c,
                 in.knot_rgb[3 * i + c]);
      job->color.rgb[i][c] = in.knot_rgb[3 * i + c];
    }
  }
  job->color.knots = in.knot_count;
  return plan.precision == HP_PRECISION_F32 ? CheckSingleInstance(in, job->field) : HP_STATUS_OK;
}

hp_status CheckStream(const hp_stream* stream, const hp_plan* plan) {
  HP_REQUIRE(stream, "stream = NULL: required");
  HP_REQUIRE(plan, "plan = NULL: required");
  HP_REQUIRE(plan->ctx == stream->ctx, "plan: belongs to another context than the stream");
  return HP_STATUS_OK;
}

hp_status CheckImage(const hp_plan& plan, const hp_img_t* img, int64_t height, int64_t width, ImageArgs* out) {
  HP_REQUIRE_DESC(img, "img");
  const hp_dtype real = RealType(plan);
  HP_RETURN_IF_ERROR(CheckTensor("img.rgb", img->rgb, real, {height, width, 3}, true, &out->rgb));
  HP_RETURN_IF_ERROR(CheckTensor("img.opacity", img->opacity, real, {height, width}, true, &out->opacity));
  HP_RETURN_IF_ERROR(
      CheckTensor("img.transmittance", img->transmittance, real, {height, width}, true, &out->transmittance));
  HP_RETURN_IF_ERROR(CheckTensor("img.depth", img->depth, real, {height, width}, true, &out->depth));
  HP_RETURN_IF_ERROR(CheckTensor("img.distortion", img->distortion, real, {height, width}, true, &out->distortion));
  HP_RETURN_IF_ERROR(CheckTensor("img.hit", img->hit, real, {height, width}, true, &out->hit));
  HP_RETURN_IF_ERROR(CheckTensor("img.radiance", img->radiance, real, {height, width, 3}, true, &out->radiance));
  HP_RETURN_IF_ERROR(CheckTensor("img.counts", img->counts, HP_DTYPE_I32, {height, width, 2}, true, &out->counts));
  return HP_STATUS_OK;
}

hp_status CheckSamples(const hp_plan& plan, const hp_samp_t* s, int64_t rays, SampArgs* out) {
  HP_REQUIRE_DESC(s, "samples");
  const int64_t capacity = s->t.rank == 2 ? s->t.shape[1] : -1;
  HP_REQUIRE(capacity >= 1, "samples.t.shape[1] = %lld: must be >= 1", static_cast<long long>(capacity));
  const hp_dtype real = RealType(plan);
  HP_RETURN_IF_ERROR(CheckTensor("samples.t", s->t, real, {rays, capacity}, false, &out->t));
  HP_RETURN_IF_ERROR(CheckTensor("samples.dt", s->dt, real, {rays, capacity}, false, &out->dt));
  HP_RETURN_IF_ERROR(CheckTensor("samples.sigma", s->sigma, real, {rays, capacity}, false, &out->sigma));
  HP_RETURN_IF_ERROR(CheckTensor("samples.rgb", s->rgb, real, {rays, capacity, 3}, false, &out->rgb));
  HP_RETURN_IF_ERROR(CheckTensor("samples.count", s->count, HP_DTYPE_I32, {rays}, false, &out->count));
  out->capacity = capacity;
  return HP_STATUS_OK;
}

hp_status CheckIntegrals(const hp_plan& plan, const hp_intl_t* s, int64_t rays, IntlArgs* out) {
  HP_REQUIRE_DESC(s, "integrals");
  const hp_dtype real = RealType(plan);
  HP_RETURN_IF_ERROR(CheckTensor("integrals.rgb", s->rgb, real, {rays, 3}, false, &out->rgb));
  HP_RETURN_IF_ERROR(
      CheckTensor("integrals.transmittance", s->transmittance, real, {rays}, false, &out->transmittance));
  HP_RETURN_IF_ERROR(CheckTensor("integrals.opacity", s->opacity, real, {rays}, false, &out->opacity));
  HP_RETURN_IF_ERROR(CheckTensor("integrals.depth", s->depth, real, {rays}, false, &out->depth));
  HP_RETURN_IF_ERROR(CheckTensor("integrals.distortion", s->distortion, real, {rays}, true, &out->distortion));
  HP_RETURN_IF_ERROR(CheckTensor("integrals.end", s->end, HP_DTYPE_I32, {rays}, true, &out->end));
  return HP_STATUS_OK;
}

hp_status NoWorkspace(size_t* bytes) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(bytes, "bytes = NULL: required");
    *bytes = 0;
    return HP_STATUS_OK;
  });
}

}  // namespace hp
