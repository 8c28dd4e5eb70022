// Instantiates the backward kernels for one lane. Included once per precision, after kernel.h and a lane.
#include "backends/cuda/grain.h"
#include "backends/cuda/tasks.h"
//
#include "bodies/step_ray.h"
//
#include "backends/cuda/gradient_sink.h"
#include "bodies/backward_kernels.h"
#include "hotpath_field_includes.inc"

namespace hp::HP_ISA_NS {

// Adjoints of places keep twice as much of a ray.
template <class Field, bool kSpread>
inline constexpr int kBlocksOf<BackwardTask<Field, true, kSpread>> = 2;

HP_KERNEL void HP_BOUNDS(kThreads, 2)
    step_rays_kernel(HP_ARGUMENT(Job) job, int64_t first, int64_t count, StepRay* out) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  const Real scale = Real(GradientSink::scale_of(job));
  for_ray_groups(job, first + i, nullptr, [&](const RayPacket* rays, const PacketPixels* pixels, int) {
    step_rays(rays[0], read_adjoint(job, scale, pixels[0].out_x, pixels[0].out_y, 1), 1, out + i);
  });
}

static hp_status launch_step_rays(const cuda::TaskLaunch& launch, const Job& job, StepRay* out) {
  const cuda::Items& items = launch.items;
  return cuda::Launch(*launch.stream, "step_rays", cuda::BlocksOf(items.count, kThreads), cuda::Threads(kThreads),
                      step_rays_kernel, job, items.first, items.count, out);
}

#if defined(HP_REAL_IS_DOUBLE)
template <class Field>
HP_KERNEL void HP_BOUNDS(kThreads, 2)
    step_gradients_kernel(HP_ARGUMENT(Job) job, int64_t count, const StepRay* rays, int64_t* counters, Sum128* sums) {
  Counters mine;
  mine.sums = sums_of_block(sums);
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) GradientSink(job, mine).add_one(HP_SUM_DT, step_gradient<Field>(job, rays[i]));
  add_counters(counters, mine);
}

template <class Field>
static hp_status launch_step_gradients(const cuda::TaskLaunch& launch, const Job& job, const StepRay* rays) {
  return cuda::Launch(*launch.stream, "step", cuda::BlocksOf(launch.items.count, kThreads), cuda::Threads(kThreads),
                      step_gradients_kernel<Field>, job, launch.items.count, rays, launch.counters, launch.sums);
}
#endif

template <class Field>
static void put(cuda::BackwardTable& t, int field, int half) {
  t.backward[field][half][0][0] = launch_task<BackwardTask<Field, false, false>>;
  t.backward[field][half][0][1] = launch_task<BackwardTask<Field, false, true>>;
  t.backward[field][half][1][0] = launch_task<BackwardTask<Field, true, false>>;
  t.backward[field][half][1][1] = launch_task<BackwardTask<Field, true, true>>;
  t.sample_backward[field][half] = launch_task<SampleBackwardTask<Field>>;
#if defined(HP_REAL_IS_DOUBLE)
  t.step_gradients[field][half] = launch_step_gradients<Field>;
#endif
}

static cuda::BackwardTable make_table() {
  cuda::BackwardTable t = {};
  t.diff[0] = launch_task<DiffTask<false>>;
  t.diff[1] = launch_task<DiffTask<true>>;
  t.ray_backward = launch_task<RayBackwardTask>;
  t.step_rays = launch_step_rays;
#define HP_FIELD(index, field)            \
  put<field_##field<float>>(t, index, 0); \
  put<field_##field<Half>>(t, index, 1);
#include "hotpath_fields.inc"
#undef HP_FIELD
  return t;
}

}  // namespace hp::HP_ISA_NS
