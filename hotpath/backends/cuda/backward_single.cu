// The backward kernels in f32.
#include "backends/cuda/kernel.h"
#define HP_ISA_NS isa_cuda
#include "lanes/scalar.h"
//
#include "backends/cuda/backward.inl"

namespace hp::cuda {

const BackwardTable& BackwardSingle() {
  static const BackwardTable table = isa_cuda::make_table();
  return table;
}

}  // namespace hp::cuda
