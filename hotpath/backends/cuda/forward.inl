// Instantiates the forward kernels for one lane. Included once per precision, after kernel.h and a lane.
#include "backends/cuda/grain.h"
#include "backends/cuda/tasks.h"
#include "bodies/forward_kernels.h"

namespace hp::HP_ISA_NS {

HP_KERNEL void HP_BOUNDS(kThreads, 4) max_count_kernel(HP_ARGUMENT(Job) job, int64_t* most) {
  const int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (item < job.rays.count) atomic_max(most, MaxCountTask::run(job, item));
}

static hp_status launch_max_count(cuda::Stream& stream, const Job& job, int64_t* most) {
  return cuda::Launch(stream, "max_count", cuda::BlocksOf(job.rays.count, kThreads), cuda::Threads(kThreads),
                      max_count_kernel, job, most);
}

template <class Field>
static void put(cuda::ForwardTable& t, int field, int half) {
  t.fused[field][half][0] = launch_task<FusedTask<Field, false>>;
  t.fused[field][half][1] = launch_task<FusedTask<Field, true>>;
  t.sample[field][half] = launch_task<SampleTask<Field>>;
  t.evaluate[field][half] = launch_task<EvaluateTask<Field>>;
}

static cuda::ForwardTable make_table() {
  cuda::ForwardTable t = {};
  t.ray = launch_task<RayTask>;
  t.integrate[0] = launch_task<IntegrateTask<false>>;
  t.integrate[1] = launch_task<IntegrateTask<true>>;
  t.compose = launch_task<ComposeTask>;
  t.max_count = launch_max_count;
#define HP_FIELD(index, field)            \
  put<field_##field<float>>(t, index, 0); \
  put<field_##field<Half>>(t, index, 1);
#include "hotpath_fields.inc"
#undef HP_FIELD
  return t;
}

}  // namespace hp::HP_ISA_NS
