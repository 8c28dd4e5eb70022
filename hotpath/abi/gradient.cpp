// Gradients of field values, and the ops that add to them.
#include <cmath>

#include "abi/checks.h"
#include "abi/error.h"
#include "abi/objects.h"

namespace hp {
namespace {

// What is asked of a backward op.
hp_status CheckGradients(const hp_stream& stream, const hp_instance* instances, const hp_grads_t& g, Job* job) {
  HP_REQUIRE(g.struct_size == sizeof g, "gradients.struct_size = %u: must be %zu (use HP_INIT)", g.struct_size,
             sizeof g);
  HP_REQUIRE((g.wanted & ~uint32_t{HP_WANT_SCENE | HP_WANT_CAMERA | HP_WANT_STEP}) == 0,
             "gradients.wanted = %u: must be a sum of HP_WANT_SCENE, HP_WANT_CAMERA, HP_WANT_STEP", g.wanted);
  GradientArgs& out = job->gradients;
  out.wanted = g.wanted;
  if (g.wanted != 0) {
    View sums;
    HP_RETURN_IF_ERROR(CheckTensor("gradients.sums", g.sums, HP_DTYPE_I64, {HP_SUM_COUNT, 2}, false, &sums));
    HP_REQUIRE(sums.stride1 == 1 && sums.stride0 == 2, "gradients.sums.strides: must be contiguous");
    out.sums = static_cast<int64_t*>(sums.data);
  }
  if (g.values) {
    HP_REQUIRE(g.values->ctx == stream.ctx, "gradients.values: belongs to another context than the stream");
    HP_REQUIRE(!instances || g.values->field == instances[0].field,
               "gradients.values: is the gradient of another field than instances[0].field");
    out.store = g.values->store;
    out.exponent = g.values->exponent;
  }
  return HP_STATUS_OK;
}

hp_status CheckAdjointImage(const hp_plan& plan, const hp_grads_t& g, int64_t height, int64_t width,
                            GradientArgs* out) {
  const hp_dtype real = RealType(plan);
  HP_REQUIRE(g.d_rgb.data || g.d_opacity.data || g.d_transmittance.data || g.d_depth.data || g.d_distortion.data,
             "gradients.d_rgb, d_opacity, d_transmittance, d_depth, d_distortion = NULL: at least one is required");
  HP_RETURN_IF_ERROR(CheckTensor("gradients.d_rgb", g.d_rgb, real, {height, width, 3}, true, &out->d_rgb));
  HP_RETURN_IF_ERROR(CheckTensor("gradients.d_opacity", g.d_opacity, real, {height, width}, true, &out->d_opacity));
  HP_RETURN_IF_ERROR(
      CheckTensor("gradients.d_transmittance", g.d_transmittance, real, {height, width}, true, &out->d_transmittance));
  HP_RETURN_IF_ERROR(CheckTensor("gradients.d_depth", g.d_depth, real, {height, width}, true, &out->d_depth));
  return CheckTensor("gradients.d_distortion", g.d_distortion, real, {height, width}, true, &out->d_distortion);
}

// Of rays; optional ones, or all of them.
hp_status CheckRayGradients(const hp_plan& plan, const hp_grads_t& g, int64_t n, bool optional, GradientArgs* out) {
  const hp_dtype real = RealType(plan);
  HP_RETURN_IF_ERROR(CheckTensor("gradients.d_origins", g.d_origins, real, {n, 3}, optional, &out->d_origins));
  HP_RETURN_IF_ERROR(CheckTensor("gradients.d_directions", g.d_directions, real, {n, 3}, optional, &out->d_directions));
  HP_RETURN_IF_ERROR(CheckTensor("gradients.d_t_near", g.d_t_near, real, {n}, optional, &out->d_t_near));
  return CheckTensor("gradients.d_t_far", g.d_t_far, real, {n}, optional, &out->d_t_far);
}

hp_status CheckSampleGradients(const hp_plan& plan, const hp_samp_grads_t* s, int64_t rays, int64_t* capacity,
                               GradientArgs* out) {
  HP_REQUIRE_DESC(s, "d_samples");
  *capacity = s->t.rank == 2 ? s->t.shape[1] : -1;
  HP_REQUIRE(*capacity >= 1, "d_samples.t.shape[1] = %lld: must be >= 1", static_cast<long long>(*capacity));
  const hp_dtype real = RealType(plan);
  HP_RETURN_IF_ERROR(CheckTensor("d_samples.t", s->t, real, {rays, *capacity}, false, &out->d_sample_t));
  HP_RETURN_IF_ERROR(CheckTensor("d_samples.dt", s->dt, real, {rays, *capacity}, false, &out->d_sample_dt));
  HP_RETURN_IF_ERROR(CheckTensor("d_samples.sigma", s->sigma, real, {rays, *capacity}, false, &out->d_sigma));
  return CheckTensor("d_samples.rgb", s->rgb, real, {rays, *capacity, 3}, false, &out->d_sample_rgb);
}

// Integrals are one row of values per ray; kernels read them as an image of `width` columns.
View AsImage(const View& rays, int64_t width) {
  View v = rays;
  v.stride0 = rays.stride0 * width;
  v.stride1 = rays.stride0;
  v.stride2 = rays.stride1;
  return v;
}

// What is read or written: f32 or f64, contiguous, of the layout's shape.
hp_status CheckValues(const GradientLayout& layout, const hp_tensor& values) {
  HP_REQUIRE(values.dtype == HP_DTYPE_F32 || values.dtype == HP_DTYPE_F64, "values.dtype = %d: must be f32 or f64",
             values.dtype);
  View view;
  HP_RETURN_IF_ERROR(CheckTensor("values", values, values.dtype,
                                 {layout.shape[0], layout.shape[1], layout.shape[2], layout.shape[3]}, false, &view));
  int64_t stride = 1;
  for (int i = 3; i >= 0; --i) {
    HP_REQUIRE(values.shape[i] == 1 || values.strides[i] == stride,
               "values.strides[%d] = %lld: must be contiguous (%lld)", i, static_cast<long long>(values.strides[i]),
               static_cast<long long>(stride));
    stride *= values.shape[i];
  }
  return HP_STATUS_OK;
}

hp_status CheckSums(const hp_gradient& gradient) {
  hp_gradient_info info = {};
  HP_INIT(info);
  HP_RETURN_IF_ERROR(gradient.ctx->backend->InspectGradient(gradient.store, &info));
  if (!info.overflowed) return HP_STATUS_OK;
  return Fail(HP_STATUS_OVERFLOW,
              "gradient: a sum left the range of fixed point with quantum 2^%d; zero it with a larger exponent and "
              "run the pass again",
              gradient.exponent);
}

}  // namespace
}  // namespace hp

using namespace hp;

extern "C" {

hp_status hp_gradient_create(hp_stream* stream, const hp_field* field, hp_gradient** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && field && out, "stream, field, out = NULL: required");
    HP_REQUIRE(field->ctx == stream->ctx, "field: belongs to another context than the stream");
    HP_REQUIRE(field->gradient_layout, "field: a %s without parameters has no gradient", field->info.type);
    auto gradient = std::make_unique<hp_gradient>();
    gradient->ctx = stream->ctx;
    gradient->field = field;
    HP_RETURN_IF_ERROR(stream->ctx->backend->CreateGradient(stream->handle, *field->gradient_layout, &gradient->store));
    *out = gradient.release();
    return HP_STATUS_OK;
  });
}

void hp_gradient_destroy(hp_gradient* gradient) {
  if (!gradient) return;
  gradient->ctx->backend->DestroyGradient(gradient->store);
  delete gradient;
}

hp_status hp_gradient_zero(hp_stream* stream, hp_gradient* gradient, int32_t exponent) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && gradient, "stream, gradient = NULL: required");
    HP_REQUIRE(gradient->ctx == stream->ctx, "gradient: belongs to another context than the stream");
    HP_REQUIRE(exponent >= HP_MIN_GRADIENT_EXPONENT && exponent <= HP_MAX_GRADIENT_EXPONENT,
               "exponent = %d: must be %d to %d", exponent, HP_MIN_GRADIENT_EXPONENT, HP_MAX_GRADIENT_EXPONENT);
    HP_RETURN_IF_ERROR(stream->ctx->backend->ZeroGradient(stream->handle, gradient->store));
    gradient->exponent = exponent;
    return HP_STATUS_OK;
  });
}

hp_status hp_gradient_get_info(const hp_gradient* gradient, hp_gradient_info* out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(gradient, "gradient = NULL: required");
    HP_REQUIRE_DESC(out, "gradient_info");
    const auto& shape = gradient->field->gradient_layout->shape;
    out->exponent = gradient->exponent;
    out->rank = static_cast<int32_t>(shape.size());
    for (size_t i = 0; i < HP_MAX_RANK; ++i) out->shape[i] = i < shape.size() ? shape[i] : 0;
    return gradient->ctx->backend->InspectGradient(gradient->store, out);
  });
}

hp_status hp_gradient_read(hp_stream* stream, const hp_gradient* gradient, const hp_tensor* values,
                           const hp_tensor* origins) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && gradient && values, "stream, gradient, values = NULL: required");
    HP_REQUIRE(gradient->ctx == stream->ctx, "gradient: belongs to another context than the stream");
    const GradientLayout& layout = *gradient->field->gradient_layout;
    HP_RETURN_IF_ERROR(CheckValues(layout, *values));
    Backend& backend = *stream->ctx->backend;
    const bool with_origins = origins && origins->data;
    if (with_origins) {
      HP_REQUIRE(!layout.origins.empty(), "origins: a dense grid has none; leave it out");
      View o;
      HP_RETURN_IF_ERROR(CheckTensor("origins", *origins, HP_DTYPE_I32, {layout.blocks, 3}, false, &o));
      HP_REQUIRE(o.stride1 == 1 && (o.stride0 == 3 || layout.blocks == 1), "origins.strides: must be contiguous");
    }
    HP_RETURN_IF_ERROR(CheckSums(*gradient));
    HP_RETURN_IF_ERROR(
        backend.ReadGradient(stream->handle, gradient->store, layout, gradient->exponent, values->dtype, values->data));
    if (with_origins) {
      HP_RETURN_IF_ERROR(backend.Copy(stream->handle, origins->data, layout.origins.data(), layout.origins.size() * 4,
                                      HP_COPY_HOST_TO_DEVICE));
    }
    return CheckSums(*gradient);
  });
}

hp_status hp_gradient_write(hp_stream* stream, hp_gradient* gradient, int32_t exponent, const hp_tensor* values) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && gradient && values, "stream, gradient, values = NULL: required");
    HP_REQUIRE(gradient->ctx == stream->ctx, "gradient: belongs to another context than the stream");
    HP_RETURN_IF_ERROR(CheckValues(*gradient->field->gradient_layout, *values));
    HP_RETURN_IF_ERROR(hp_gradient_zero(stream, gradient, exponent));
    Backend& backend = *stream->ctx->backend;
    HP_RETURN_IF_ERROR(backend.WriteGradient(stream->handle, gradient->store, *gradient->field->gradient_layout,
                                             exponent, values->dtype, values->data));
    hp_gradient_info info = {};
    HP_INIT(info);
    HP_RETURN_IF_ERROR(backend.InspectGradient(gradient->store, &info));
    if (!info.overflowed) return HP_STATUS_OK;
    return Fail(HP_STATUS_OVERFLOW,
                "values: one is not finite, or is 2^50 quanta of 2^%d or more; ask for a larger "
                "exponent",
                exponent);
  });
}

int32_t hp_gradient_default_exponent(double largest_adjoint, double dt, hp_precision precision) {
  const double largest = largest_adjoint * (dt > 1 ? dt : 1);
  if (!(largest > 0) || !std::isfinite(largest)) return HP_MIN_GRADIENT_EXPONENT;
  int exponent = 0;
  std::frexp(largest, &exponent);
  exponent -= precision == HP_PRECISION_F64 ? 40 : 36;
  return exponent < HP_MIN_GRADIENT_EXPONENT   ? HP_MIN_GRADIENT_EXPONENT
         : exponent > HP_MAX_GRADIENT_EXPONENT ? HP_MAX_GRADIENT_EXPONENT
                                               : exponent;
}

double hp_sum_value(const int64_t low_high[2]) {
  // Of the magnitude: a small negative number is a large unsigned one less 2^64, and its digits would be lost.
  const bool negative = low_high[1] < 0;
  uint64_t low = static_cast<uint64_t>(low_high[0]), high = static_cast<uint64_t>(low_high[1]);
  if (negative) {
    low = ~low + 1;
    high = ~high + (low == 0 ? 1 : 0);
  }
  const double magnitude = std::ldexp(static_cast<double>(high), 64 + HP_SUM_EXPONENT) +
                           std::ldexp(static_cast<double>(low), HP_SUM_EXPONENT);
  return negative ? -magnitude : magnitude;
}

hp_status hp_diff_workspace_size(const hp_plan*, int64_t, int64_t, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_diff(hp_stream* stream, const hp_plan* plan, const hp_samp_t* samples, const hp_intl_t* integrals,
                  const hp_grads_t* gradients, const hp_samp_grads_t* out, hp_tensor counters, hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_REQUIRE_DESC(samples, "samples");
    HP_REQUIRE_DESC(integrals, "integrals");
    HP_REQUIRE_DESC(gradients, "gradients");
    Job job;
    int64_t* count;
    job.plan = plan->args;
    job.count = samples->t.rank == 2 ? samples->t.shape[0] : -1;
    HP_REQUIRE(job.count >= 1, "samples.t.shape[0] = %lld: must be >= 1", static_cast<long long>(job.count));
    HP_RETURN_IF_ERROR(CheckSamples(*plan, samples, job.count, &job.samples));
    HP_RETURN_IF_ERROR(CheckIntegrals(*plan, integrals, job.count, &job.integrals));
    HP_RETURN_IF_ERROR(CheckGradients(*stream, nullptr, *gradients, &job));
    HP_REQUIRE((gradients->wanted & ~uint32_t{HP_WANT_SCENE}) == 0 && !gradients->values,
               "gradients.wanted, values: hp_diff gives the background's sum alone; hp_samp_backward goes on");
    // The image's shape comes from the first adjoint that is there.
    int64_t height = 1, width = job.count;
    for (const hp_tensor* t : {&gradients->d_rgb, &gradients->d_opacity, &gradients->d_transmittance,
                               &gradients->d_depth, &gradients->d_distortion}) {
      if (t->data && t->rank >= 2) {
        height = t->shape[0];
        width = t->shape[1];
        break;
      }
    }
    HP_REQUIRE(height >= 1 && width >= 1 && height < (int64_t{1} << 31) && width < (int64_t{1} << 31) &&
                   height * width == job.count,
               "gradients: %lldx%lld pixels for %lld rays: must agree", static_cast<long long>(height),
               static_cast<long long>(width), static_cast<long long>(job.count));
    job.roi = {0, 0, static_cast<int32_t>(width), static_cast<int32_t>(height)};
    GradientArgs& g = job.gradients;
    HP_RETURN_IF_ERROR(CheckAdjointImage(*plan, *gradients, height, width, &g));
    int64_t capacity = 0;
    HP_RETURN_IF_ERROR(CheckSampleGradients(*plan, out, job.count, &capacity, &g));
    HP_REQUIRE(capacity == job.samples.capacity, "d_samples.t.shape[1] = %lld: must be %lld, as samples.t has",
               static_cast<long long>(capacity), static_cast<long long>(job.samples.capacity));
    g.radiance = AsImage(job.integrals.rgb, width);
    g.transmittance = AsImage(job.integrals.transmittance, width);
    g.depth = AsImage(job.integrals.depth, width);
    HP_REQUIRE(!g.d_distortion.data || job.integrals.distortion.data,
               "integrals.distortion = NULL: required with gradients.d_distortion; hp_int writes it");
    if (job.integrals.distortion.data) g.distortion = AsImage(job.integrals.distortion, width);
    HP_RETURN_IF_ERROR(CheckCounters(counters, &count));
    return stream->ctx->backend->Launch(stream->handle, Op::kDiff, plan->precision, job, count);
  });
}

hp_status hp_samp_backward_workspace_size(const hp_plan*, int64_t, int64_t, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_samp_backward(hp_stream* stream, const hp_plan* plan, const hp_instance* instances, int32_t instance_count,
                           const hp_rays_t* rays, const hp_samp_grads_t* d_samples, const hp_grads_t* gradients,
                           hp_tensor counters, hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_REQUIRE_DESC(rays, "rays");
    HP_REQUIRE_DESC(gradients, "gradients");
    Job job;
    int64_t* count;
    job.plan = plan->args;
    HP_RETURN_IF_ERROR(CheckRays(*plan, *rays, &job.rays));
    HP_RETURN_IF_ERROR(CheckInstances(*stream, instances, instance_count, *plan, true, &job));
    HP_RETURN_IF_ERROR(CheckGradients(*stream, instances, *gradients, &job));
    HP_REQUIRE((gradients->wanted & HP_WANT_CAMERA) == 0,
               "gradients.wanted: the camera's sums are hp_ray_backward's; leave HP_WANT_CAMERA out");
    HP_RETURN_IF_ERROR(CheckSampleGradients(*plan, d_samples, job.rays.count, &job.samples.capacity, &job.gradients));
    HP_RETURN_IF_ERROR(CheckRayGradients(*plan, *gradients, job.rays.count, true, &job.gradients));
    HP_RETURN_IF_ERROR(CheckCounters(counters, &count));
    int64_t needed = 0;
    HP_RETURN_IF_ERROR(stream->ctx->backend->MaxCount(stream->handle, plan->precision, job, &needed));
    HP_REQUIRE(needed <= job.samples.capacity,
               "d_samples.t.shape[1] = %lld: must be >= %lld, the most segments of a ray",
               static_cast<long long>(job.samples.capacity), static_cast<long long>(needed));
    return stream->ctx->backend->Launch(stream->handle, Op::kSampleBackward, plan->precision, job, count);
  });
}

hp_status hp_ray_backward_workspace_size(const hp_plan*, hp_roi, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_ray_backward(hp_stream* stream, const hp_plan* plan, hp_roi roi, const hp_grads_t* gradients,
                          hp_tensor counters, hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_RETURN_IF_ERROR(CheckRoi(*plan, roi));
    HP_REQUIRE_DESC(gradients, "gradients");
    Job job;
    int64_t* count;
    job.plan = plan->args;
    job.roi = roi;
    job.tile = plan->tile;
    HP_RETURN_IF_ERROR(CheckGradients(*stream, nullptr, *gradients, &job));
    HP_REQUIRE(gradients->wanted == HP_WANT_CAMERA && !gradients->values,
               "gradients.wanted = %u: must be HP_WANT_CAMERA, without values", gradients->wanted);
    HP_RETURN_IF_ERROR(CheckRayGradients(*plan, *gradients, int64_t{roi.width} * roi.height, false, &job.gradients));
    HP_RETURN_IF_ERROR(CheckCounters(counters, &count));
    return stream->ctx->backend->Launch(stream->handle, Op::kRayBackward, plan->precision, job, count);
  });
}

hp_status hp_samp_int_fused_backward_workspace_size(const hp_plan*, hp_roi, int64_t, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_samp_int_fused_backward(hp_stream* stream, const hp_plan* plan, const hp_instance* instances,
                                     int32_t instance_count, const hp_rays_t* rays, hp_roi roi, const hp_img_t* forward,
                                     const hp_grads_t* gradients, hp_tensor counters, hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_REQUIRE_DESC(gradients, "gradients");
    HP_REQUIRE_DESC(forward, "forward");
    Job job;
    int64_t* count;
    job.plan = plan->args;
    job.tile = plan->tile;
    int64_t height = 1, width = 0;
    if (rays) {
      HP_RETURN_IF_ERROR(CheckRays(*plan, *rays, &job.rays));
      width = job.rays.count;
      HP_REQUIRE((gradients->wanted & HP_WANT_CAMERA) == 0,
                 "gradients.wanted: rays are given, there is no camera; leave HP_WANT_CAMERA out");
      HP_RETURN_IF_ERROR(CheckRayGradients(*plan, *gradients, job.rays.count, true, &job.gradients));
    } else {
      HP_RETURN_IF_ERROR(CheckRoi(*plan, roi));
      job.roi = roi;
      height = roi.height;
      width = roi.width;
      HP_REQUIRE(!gradients->d_origins.data && !gradients->d_directions.data && !gradients->d_t_near.data &&
                     !gradients->d_t_far.data,
                 "gradients.d_origins, …: no rays are given; ask for HP_WANT_CAMERA");
    }
    HP_RETURN_IF_ERROR(CheckInstances(*stream, instances, instance_count, *plan, true, &job));
    HP_REQUIRE(rays || !job.field.unbounded || std::isfinite(plan->args.camera.t_far),
               "camera.t_far = inf: must be finite for a field with border clamp");
    HP_RETURN_IF_ERROR(CheckGradients(*stream, instances, *gradients, &job));
    GradientArgs& g = job.gradients;
    HP_RETURN_IF_ERROR(CheckAdjointImage(*plan, *gradients, height, width, &g));
    const hp_dtype real = RealType(*plan);
    HP_RETURN_IF_ERROR(
        CheckTensor("forward.radiance", forward->radiance, real, {height, width, 3}, false, &g.radiance));
    HP_RETURN_IF_ERROR(
        CheckTensor("forward.transmittance", forward->transmittance, real, {height, width}, false, &g.transmittance));
    HP_RETURN_IF_ERROR(CheckTensor("forward.depth", forward->depth, real, {height, width}, false, &g.depth));
    if (g.d_distortion.data) {
      HP_RETURN_IF_ERROR(
          CheckTensor("forward.distortion", forward->distortion, real, {height, width}, false, &g.distortion));
    }
    HP_RETURN_IF_ERROR(CheckCounters(counters, &count));
    return stream->ctx->backend->Launch(stream->handle, Op::kBackward, plan->precision, job, count);
  });
}

}  // extern "C"
