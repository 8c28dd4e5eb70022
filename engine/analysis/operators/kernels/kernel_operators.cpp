// The table of the daemon's kernels.
#include "analysis/operators/kernels/backward_kernel.h"
#include "analysis/operators/kernels/compose_kernel.h"
#include "analysis/operators/kernels/fused_kernel.h"
#include "analysis/operators/kernels/integrate_kernel.h"
#include "analysis/operators/kernels/loss_kernel.h"
#include "analysis/operators/kernels/ray_kernel.h"
#include "analysis/operators/kernels/sample_kernel.h"
#include "analysis/operators/kernels/update_kernel.h"
#include "dvren/analysis/operator_registry.h"

namespace dvren::analysis {

void RegisterKernelOperators(OperatorRegistry& registry) {
  registry.Add<RayKernel>();
  registry.Add<SampleKernel>();
  registry.Add<IntegrateKernel>();
  registry.Add<ComposeKernel>();
  registry.Add<FusedKernel>();
  registry.Add<BackwardKernel>();
  registry.Add<LossKernel>();
  registry.Add<UpdateKernel>();
}

}  // namespace dvren::analysis
