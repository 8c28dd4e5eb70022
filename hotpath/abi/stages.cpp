// The forward ops: check tensors against the plan, turn them into a job, launch it on the backend.
#include <cmath>

#include "abi/checks.h"
#include "abi/error.h"
#include "abi/objects.h"

using namespace hp;

extern "C" {

hp_status hp_ray_workspace_size(const hp_plan*, hp_roi, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_ray(hp_stream* stream, const hp_plan* plan, hp_roi roi, const hp_rays_t* out, hp_tensor counters,
                 hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_RETURN_IF_ERROR(CheckRoi(*plan, roi));
    HP_REQUIRE_DESC(out, "rays");
    Job job;
    int64_t* count;
    job.plan = plan->args;
    job.roi = roi;
    job.tile = plan->tile;
    HP_RETURN_IF_ERROR(CheckRays(*plan, *out, &job.rays));
    HP_REQUIRE(job.rays.count == int64_t{roi.width} * roi.height,
               "rays.origins.shape[0] = %lld: must be %lld, the pixels of roi", static_cast<long long>(job.rays.count),
               static_cast<long long>(int64_t{roi.width} * roi.height));
    HP_RETURN_IF_ERROR(CheckCounters(counters, &count));
    return stream->ctx->backend->Launch(stream->handle, Op::kRay, plan->precision, job, count);
  });
}

hp_status hp_samp_max_count(hp_stream* stream, const hp_plan* plan, const hp_instance* instances,
                            int32_t instance_count, const hp_rays_t* rays, int64_t* out) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_REQUIRE_DESC(rays, "rays");
    HP_REQUIRE(out, "out = NULL: required");
    Job job;
    job.plan = plan->args;
    HP_RETURN_IF_ERROR(CheckRays(*plan, *rays, &job.rays));
    HP_RETURN_IF_ERROR(CheckInstances(*stream, instances, instance_count, *plan, false, &job));
    return stream->ctx->backend->MaxCount(stream->handle, plan->precision, job, out);
  });
}

hp_status hp_samp_workspace_size(const hp_plan*, int64_t, int64_t, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_samp(hp_stream* stream, const hp_plan* plan, const hp_instance* instances, int32_t instance_count,
                  const hp_rays_t* rays, const hp_samp_t* out, hp_tensor counters, hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_REQUIRE_DESC(rays, "rays");
    Job job;
    int64_t* count;
    job.plan = plan->args;
    HP_RETURN_IF_ERROR(CheckRays(*plan, *rays, &job.rays));
    HP_RETURN_IF_ERROR(CheckInstances(*stream, instances, instance_count, *plan, true, &job));
    HP_RETURN_IF_ERROR(CheckSamples(*plan, out, job.rays.count, &job.samples));
    HP_RETURN_IF_ERROR(CheckCounters(counters, &count));
    int64_t needed = 0;
    HP_RETURN_IF_ERROR(stream->ctx->backend->MaxCount(stream->handle, plan->precision, job, &needed));
    HP_REQUIRE(needed <= job.samples.capacity, "samples.t.shape[1] = %lld: must be >= %lld, the most segments of a ray",
               static_cast<long long>(job.samples.capacity), static_cast<long long>(needed));
    return stream->ctx->backend->Launch(stream->handle, Op::kSample, plan->precision, job, count);
  });
}

hp_status hp_int_workspace_size(const hp_plan*, int64_t, int64_t, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_int(hp_stream* stream, const hp_plan* plan, const hp_samp_t* samples, const hp_intl_t* out,
                 hp_tensor counters, hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_REQUIRE_DESC(samples, "samples");
    Job job;
    int64_t* count;
    job.plan = plan->args;
    job.count = samples->t.rank == 2 ? samples->t.shape[0] : -1;
    HP_REQUIRE(job.count >= 1, "samples.t.shape[0] = %lld: must be >= 1", static_cast<long long>(job.count));
    HP_RETURN_IF_ERROR(CheckSamples(*plan, samples, job.count, &job.samples));
    HP_RETURN_IF_ERROR(CheckIntegrals(*plan, out, job.count, &job.integrals));
    HP_RETURN_IF_ERROR(CheckCounters(counters, &count));
    return stream->ctx->backend->Launch(stream->handle, Op::kIntegrate, plan->precision, job, count);
  });
}

hp_status hp_img_workspace_size(const hp_plan*, int64_t, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_img(hp_stream* stream, const hp_plan* plan, const hp_intl_t* integrals, const hp_img_t* out,
                 hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_REQUIRE_DESC(integrals, "integrals");
    HP_REQUIRE_DESC(out, "img");
    Job job;
    job.plan = plan->args;
    job.count = integrals->rgb.rank == 2 ? integrals->rgb.shape[0] : -1;
    HP_REQUIRE(job.count >= 1, "integrals.rgb.shape[0] = %lld: must be >= 1", static_cast<long long>(job.count));
    // The image's shape comes from the first tensor that is there.
    int64_t height = 1, width = job.count;
    for (const hp_tensor* t :
         {&out->rgb, &out->opacity, &out->transmittance, &out->depth, &out->distortion, &out->hit, &out->radiance}) {
      if (t->data && t->rank >= 2) {
        height = t->shape[0];
        width = t->shape[1];
        break;
      }
    }
    HP_REQUIRE(height >= 1 && width >= 1 && width < (int64_t{1} << 31) && height < (int64_t{1} << 31) &&
                   height * width == job.count,
               "img: %lldx%lld pixels for %lld rays: must agree", static_cast<long long>(height),
               static_cast<long long>(width), static_cast<long long>(job.count));
    job.roi = {0, 0, static_cast<int32_t>(width), static_cast<int32_t>(height)};
    HP_RETURN_IF_ERROR(CheckIntegrals(*plan, integrals, job.count, &job.integrals));
    HP_RETURN_IF_ERROR(CheckImage(*plan, out, height, width, &job.image));
    HP_REQUIRE(!job.image.counts.data, "img.counts: integrals do not know them; ask hp_samp_int_fused");
    HP_REQUIRE(!job.image.distortion.data || job.integrals.distortion.data,
               "integrals.distortion = NULL: required for img.distortion; hp_int writes it");
    return stream->ctx->backend->Launch(stream->handle, Op::kCompose, plan->precision, job, nullptr);
  });
}

hp_status hp_samp_int_fused_workspace_size(const hp_plan*, hp_roi, int64_t, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_samp_int_fused(hp_stream* stream, const hp_plan* plan, const hp_instance* instances,
                            int32_t instance_count, const hp_rays_t* rays, hp_roi roi, const hp_img_t* out,
                            hp_tensor counters, hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    Job job;
    int64_t* count;
    job.plan = plan->args;
    job.tile = plan->tile;
    if (rays) {
      HP_RETURN_IF_ERROR(CheckRays(*plan, *rays, &job.rays));
      HP_RETURN_IF_ERROR(CheckImage(*plan, out, 1, job.rays.count, &job.image));
    } else {
      HP_RETURN_IF_ERROR(CheckRoi(*plan, roi));
      job.roi = roi;
      HP_RETURN_IF_ERROR(CheckImage(*plan, out, roi.height, roi.width, &job.image));
    }
    HP_RETURN_IF_ERROR(CheckInstances(*stream, instances, instance_count, *plan, true, &job));
    HP_REQUIRE(rays || !job.field.unbounded || std::isfinite(plan->args.camera.t_far),
               "camera.t_far = inf: must be finite for a field with border clamp");
    HP_RETURN_IF_ERROR(CheckCounters(counters, &count));
    return stream->ctx->backend->Launch(stream->handle, Op::kFused, plan->precision, job, count);
  });
}

hp_status hp_field_evaluate_workspace_size(const hp_field*, int64_t, size_t* bytes) {
  return NoWorkspace(bytes);
}

hp_status hp_field_evaluate(hp_stream* stream, const hp_plan* plan, const hp_instance* instance,
                            const hp_tensor* positions, const hp_tensor* directions, const hp_tensor* sigma,
                            const hp_tensor* rgb, hp_workspace) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckStream(stream, plan));
    HP_REQUIRE(positions && directions && sigma && rgb, "positions, directions, sigma, rgb = NULL: required");
    Job job;
    job.plan = plan->args;
    const int64_t n = positions->rank == 2 ? positions->shape[0] : -1;
    HP_REQUIRE(n >= 1, "positions.shape[0] = %lld: must be >= 1", static_cast<long long>(n));
    const hp_dtype real = RealType(*plan);
    HP_RETURN_IF_ERROR(CheckTensor("positions", *positions, real, {n, 3}, false, &job.positions));
    HP_RETURN_IF_ERROR(CheckTensor("directions", *directions, real, {n, 3}, false, &job.directions));
    HP_RETURN_IF_ERROR(CheckTensor("sigma", *sigma, real, {n}, false, &job.sigma));
    HP_RETURN_IF_ERROR(CheckTensor("rgb", *rgb, real, {n, 3}, false, &job.rgb));
    HP_RETURN_IF_ERROR(CheckInstances(*stream, instance, 1, *plan, false, &job));
    job.count = n;
    return stream->ctx->backend->Launch(stream->handle, Op::kEvaluate, plan->precision, job, nullptr);
  });
}

}  // extern "C"
