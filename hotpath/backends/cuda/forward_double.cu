// The forward kernels in f64.
#include "backends/cuda/kernel.h"
#define HP_ISA_NS isa_cuda_double
#define HP_REAL_IS_DOUBLE
#include "lanes/scalar.h"
//
#include "backends/cuda/forward.inl"

namespace hp::cuda {

const ForwardTable& ForwardDouble() {
  static const ForwardTable table = isa_cuda_double::make_table();
  return table;
}

}  // namespace hp::cuda
