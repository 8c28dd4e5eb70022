// "fused": the forward of pixels or given rays in one kernel; nothing is stored per sample.
#include "backends/cuda/launch.h"
#include "backends/cuda/thread_rays.cuh"
//
#include "hotpath_field_includes.inc"

namespace hp::HP_ISA_NS {

template <class Field, bool kSpread>
__global__ void fused_kernel(const __grid_constant__ Job job, unsigned long long* counters) {
  RayPacket ray;
  int64_t x, y;
  M mapped = true;
  if (job.rays.count > 0) {
    x = int64_t{blockIdx.x} * blockDim.x * blockDim.y + threadIdx.y * blockDim.x + threadIdx.x;
    y = 0;
    if (x >= job.rays.count) return;
    ray.ox = *real_at(job.rays.origins, x, 0, 0);
    ray.oy = *real_at(job.rays.origins, x, 1, 0);
    ray.oz = *real_at(job.rays.origins, x, 2, 0);
    ray.dx = *real_at(job.rays.directions, x, 0, 0);
    ray.dy = *real_at(job.rays.directions, x, 1, 0);
    ray.dz = *real_at(job.rays.directions, x, 2, 0);
    ray.t_near = *real_at(job.rays.t_near, x, 0, 0);
    ray.t_far = *real_at(job.rays.t_far, x, 0, 0);
    const int64_t id = job.rays.ids.data ? static_cast<const int64_t*>(job.rays.ids.data)[x * job.rays.ids.stride0] : x;
    ray.id_low = static_cast<U>(id);
    ray.id_high = static_cast<U>(static_cast<uint64_t>(id) >> 32);
    ray.live = true;
  } else {
    const ThreadPixel p = thread_pixel(job.roi);
    if (!p.inside) return;
    x = p.x;
    y = p.y;
    ray = pixel_ray(job.plan.camera, job.roi, p.x, p.y, mapped);
  }
  const Grid grid(job.field);
  const Lattice lattice(job.plan);
  const Real early_stop = Real(job.plan.early_stop);
  Field field(*reinterpret_cast<const typename Field::View*>(job.field.view), job.color);
  field.begin_ray(ray.dx, ray.dy, ray.dz);
  const March march = start_march(grid, lattice, ray);
  Progress<kSpread> progress = begin_progress<kSpread>(march.first);
  PacketCounts counts;
  while (!progress.done)
    march_some(field, lattice, march, early_stop, job.plan.skip_empty != 0, 1 << 30, progress, counts);
  count_ends(march, early_stop, progress, counts);
  const Integral& integral = progress.integral;
  const Pixel pixel = compose(job.plan.background, integral.r, integral.g, integral.b, integral.transmittance(),
                              integral.opacity(), integral.depth, distortion_of(progress.spread));
  if (job.image.rgb.data) {
    *real_at(job.image.rgb, y, x, 0) = pixel.r;
    *real_at(job.image.rgb, y, x, 1) = pixel.g;
    *real_at(job.image.rgb, y, x, 2) = pixel.b;
  }
  if (job.image.opacity.data) *real_at(job.image.opacity, y, x, 0) = pixel.opacity;
  if (job.image.transmittance.data) *real_at(job.image.transmittance, y, x, 0) = pixel.transmittance;
  if (job.image.depth.data) *real_at(job.image.depth, y, x, 0) = pixel.depth;
  if constexpr (kSpread) *real_at(job.image.distortion, y, x, 0) = pixel.distortion;
  if (job.image.hit.data) *real_at(job.image.hit, y, x, 0) = pixel.hit;
  if (job.image.radiance.data) {
    *real_at(job.image.radiance, y, x, 0) = pixel.radiance_r;
    *real_at(job.image.radiance, y, x, 1) = pixel.radiance_g;
    *real_at(job.image.radiance, y, x, 2) = pixel.radiance_b;
  }
  count(counters, HP_COUNTER_RAYS, 1);
  count(counters, HP_COUNTER_SAMPLES, counts.samples);
  count(counters, HP_COUNTER_EARLY_STOPPED, counts.early_stopped);
  count(counters, HP_COUNTER_TRUNCATED, counts.truncated);
  count(counters, HP_COUNTER_INVALID, mapped ? 0 : 1);
}

using FusedKernel = void (*)(const Job, unsigned long long*);

template <bool kSpread>
static FusedKernel fused_of(int32_t type, bool half) {
  switch (type) {
#define HP_FIELD(index, name) \
  case index:                 \
    return half ? fused_kernel<field_##name<Half>, kSpread> : fused_kernel<field_##name<float>, kSpread>;
#include "hotpath_fields.inc"
#undef HP_FIELD
    default:
      return nullptr;
  }
}

}  // namespace hp::HP_ISA_NS

namespace hp::cuda {

cudaError_t LaunchFused(cudaStream_t stream, const Job& job, unsigned long long* counters) {
  const dim3 block(isa_cuda::kBlockX, isa_cuda::kBlockY);
  dim3 grid((job.roi.width + block.x - 1) / block.x, (job.roi.height + block.y - 1) / block.y);
  if (job.rays.count > 0)
    grid = dim3(static_cast<unsigned>((job.rays.count + block.x * block.y - 1) / (block.x * block.y)));
  const bool half = job.field.half_storage != 0;
  const auto kernel = job.image.distortion.data ? isa_cuda::fused_of<true>(job.field.type, half)
                                                : isa_cuda::fused_of<false>(job.field.type, half);
  if (!kernel) return cudaErrorInvalidDeviceFunction;
  kernel<<<grid, block, 0, stream>>>(job, counters);
  return cudaGetLastError();
}

}  // namespace hp::cuda
