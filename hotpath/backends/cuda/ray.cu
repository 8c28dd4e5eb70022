// "ray": pixels of the ROI to rays in world space.
#include "backends/cuda/launch.h"
#include "backends/cuda/thread_rays.cuh"

namespace hp::HP_ISA_NS {

__global__ void ray_kernel(const __grid_constant__ Job job, unsigned long long* counters) {
  const ThreadPixel p = thread_pixel(job.roi);
  if (!p.inside) return;
  M mapped;
  const RayPacket ray = pixel_ray(job.plan.camera, job.roi, p.x, p.y, mapped);
  const int64_t n = int64_t{p.y} * job.roi.width + p.x;
  *real_at(job.rays.origins, n, 0, 0) = ray.ox;
  *real_at(job.rays.origins, n, 1, 0) = ray.oy;
  *real_at(job.rays.origins, n, 2, 0) = ray.oz;
  *real_at(job.rays.directions, n, 0, 0) = ray.dx;
  *real_at(job.rays.directions, n, 1, 0) = ray.dy;
  *real_at(job.rays.directions, n, 2, 0) = ray.dz;
  *real_at(job.rays.t_near, n, 0, 0) = ray.t_near;
  *real_at(job.rays.t_far, n, 0, 0) = ray.t_far;
  if (job.rays.ids.data) static_cast<int64_t*>(job.rays.ids.data)[n * job.rays.ids.stride0] = ray.id_low;
  count(counters, HP_COUNTER_INVALID, mapped ? 0 : 1);
}

}  // namespace hp::HP_ISA_NS

namespace hp::cuda {

cudaError_t LaunchRay(cudaStream_t stream, const Job& job, unsigned long long* counters) {
  const dim3 block(isa_cuda::kBlockX, isa_cuda::kBlockY);
  const dim3 grid((job.roi.width + block.x - 1) / block.x, (job.roi.height + block.y - 1) / block.y);
  isa_cuda::ray_kernel<<<grid, block, 0, stream>>>(job, counters);
  return cudaGetLastError();
}

}  // namespace hp::cuda
