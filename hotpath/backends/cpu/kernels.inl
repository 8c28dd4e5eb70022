// Instantiates the kernels for one lane. Included once per instruction set, after a lane header.
#include "backends/cpu/grain.h"
//
#include "backends/cpu/add_step.h"
#include "bodies/backward_kernels.h"
#include "bodies/forward_kernels.h"

namespace hp::HP_ISA_NS {

// Bits of a 16-bit number to every second.
static uint32_t spread_by_two(uint32_t x) {
  x = (x | x << 8) & 0x00ff00ffu;
  x = (x | x << 4) & 0x0f0f0f0fu;
  x = (x | x << 2) & 0x33333333u;
  return (x | x << 1) & 0x55555555u;
}

// Keys by which rays that see the same voxels sort together: first by the axis along which a ray moves fastest and
// roughly by direction (7 bits), then by where it crosses the middle plane of that axis, in Morton order (22 bits).
static void ray_keys(const Job& job, int64_t item, uint32_t* keys) {
  const Grid grid(job.field);
  const Lattice lattice(job.plan);
  const int64_t end = (item + 1) * kRaysPerItem < job.rays.count ? (item + 1) * kRaysPerItem : job.rays.count;
  // 0 … steps - 1; a NaN becomes 0.
  auto quantised = [](Real unit, Real steps) {
    const Real x = unit * steps;
    return static_cast<uint32_t>(x > Real(0) ? (x < steps - 1 ? x : steps - 1) : Real(0));
  };
  for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
    const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
    const March s = start_march(grid, lattice, given_rays(job.rays, first, count));
    Real p[3][kWidth], g[3][kWidth];
    store_lanes(s.px, p[0]);
    store_lanes(s.py, p[1]);
    store_lanes(s.pz, p[2]);
    store_lanes(s.gx, g[0]);
    store_lanes(s.gy, g[1]);
    store_lanes(s.gz, g[2]);
    for (int i = 0; i < count; ++i) {
      auto speed = [&](int axis) { return g[axis][i] < Real(0) ? -g[axis][i] : g[axis][i]; };
      int a = speed(1) > speed(0) ? 1 : 0;
      a = speed(2) > speed(a) ? 2 : a;
      const int axes[2] = {(a + 1) % 3, (a + 2) % 3};
      const Real forward = g[a][i] == Real(0) ? Real(1) : g[a][i];
      const Real t = (Real(0.5) * (grid.lo[a] + grid.hi[a]) - p[a][i]) / forward;
      uint32_t key = static_cast<uint32_t>(2 * a + (forward < Real(0) ? 1 : 0));
      uint32_t at[2];
      for (int j = 0; j < 2; ++j) {
        const int b = axes[j];
        key = key << 2 | quantised(Real(0.5) * g[b][i] / forward + Real(0.5), 4);
        // The plane reaches half the box beyond it: slanting rays cross it there.
        const Real unit = (p[b][i] + t * g[b][i] - grid.lo[b]) / (grid.hi[b] - grid.lo[b]);
        at[j] = quantised(Real(0.5) * unit + Real(0.25), 2048);
      }
      keys[first + i] = key << 22 | spread_by_two(at[0]) << 1 | spread_by_two(at[1]);
    }
  }
}

}  // namespace hp::HP_ISA_NS

#include "backends/cpu/update.inl"

namespace hp::HP_ISA_NS {

template <class Field>
static void put(cpu::KernelTable& t, int field, int half) {
  t.fused[field][half][0] = FusedTask<Field, false>::run;
  t.fused[field][half][1] = FusedTask<Field, true>::run;
  t.sample[field][half] = SampleTask<Field>::run;
  t.evaluate[field][half] = EvaluateTask<Field>::run;
  t.backward[field][half][0][0] = BackwardTask<Field, false, false>::run;
  t.backward[field][half][0][1] = BackwardTask<Field, false, true>::run;
  t.backward[field][half][1][0] = BackwardTask<Field, true, false>::run;
  t.backward[field][half][1][1] = BackwardTask<Field, true, true>::run;
  t.sample_backward[field][half] = SampleBackwardTask<Field>::run;
#if defined(HP_REAL_IS_DOUBLE)
  t.step_gradient[field][half] = step_gradient<Field>;
#endif
}

static cpu::KernelTable make_table(const char* name) {
  cpu::KernelTable t = {};
  t.name = name;
  t.width = kWidth;
  t.ray = RayTask::run;
  t.integrate[0] = IntegrateTask<false>::run;
  t.integrate[1] = IntegrateTask<true>::run;
  t.compose = ComposeTask::run;
  t.max_count = MaxCountTask::run;
  t.ray_keys = ray_keys;
  t.diff[0] = DiffTask<false>::run;
  t.diff[1] = DiffTask<true>::run;
  t.ray_backward = RayBackwardTask::run;
#define HP_FIELD(index, field)            \
  put<field_##field<float>>(t, index, 0); \
  put<field_##field<Half>>(t, index, 1);
#include "hotpath_fields.inc"
#undef HP_FIELD
#if defined(HP_REAL_IS_DOUBLE)
#define HP_OPTIMIZER(index, name) t.update_array[index] = update_array<optimizer_##name>;
#else
  t.smooth_block[0] = smooth_block<float>;
  t.smooth_block[1] = smooth_block<Half>;
  t.add_noted = add_noted;
#if defined(HP_LANE_HAS_VOXEL16)
  t.wide_scatter = true;
#endif
#define HP_OPTIMIZER(index, name)                                   \
  t.update_block[index][0] = update_block<optimizer_##name, float>; \
  t.update_block[index][1] = update_block<optimizer_##name, Half>;
#endif
#include "hotpath_optimizers.inc"
#undef HP_OPTIMIZER
  return t;
}

}  // namespace hp::HP_ISA_NS
