// The kernels of the scalar lane.
#define HP_ISA_NS isa_scalar
#include "lanes/scalar.h"
//
#include "backends/cpu/kernels.inl"

namespace hp::cpu {

const KernelTable& ScalarKernels() {
  static const KernelTable table = isa_scalar::make_table("scalar");
  return table;
}

}  // namespace hp::cpu
