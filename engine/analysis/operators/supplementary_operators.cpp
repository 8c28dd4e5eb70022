// The table of operators that corrected pipelines need and the published ones lack.
#include "analysis/operators/mse_loss.h"
#include "analysis/operators/optimizer_step.h"
#include "analysis/operators/positional_encoding.h"
#include "analysis/operators/sparse_warp.h"
#include "dvren/analysis/operator_registry.h"

namespace dvren::analysis {

void RegisterSupplementaryOperators(OperatorRegistry& registry) {
  registry.Add<PositionalEncoding>();
  registry.Add<SparseWarp>();
  registry.Add<MseLoss>();
  registry.Add<OptimizerStep>();
}

}  // namespace dvren::analysis
