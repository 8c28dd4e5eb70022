// The forward kernels in f32.
#include "backends/cuda/kernel.h"
#define HP_ISA_NS isa_cuda
#include "lanes/scalar.h"
//
#include "backends/cuda/forward.inl"

namespace hp::cuda {

const ForwardTable& ForwardSingle() {
  static const ForwardTable table = isa_cuda::make_table();
  return table;
}

}  // namespace hp::cuda
