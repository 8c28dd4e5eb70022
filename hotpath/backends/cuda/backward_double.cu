// The backward kernels in f64, and the gradient of the step for every precision.
#include "backends/cuda/kernel.h"
#define HP_ISA_NS isa_cuda_double
#define HP_REAL_IS_DOUBLE
#include "lanes/scalar.h"
//
#include "backends/cuda/backward.inl"

namespace hp::cuda {

const BackwardTable& BackwardDouble() {
  static const BackwardTable table = isa_cuda_double::make_table();
  return table;
}

}  // namespace hp::cuda
