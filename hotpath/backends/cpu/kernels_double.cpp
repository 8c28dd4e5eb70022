// The kernels of the double lane.
#define HP_ISA_NS isa_double
#define HP_REAL_IS_DOUBLE
#include "lanes/scalar.h"
//
#include "backends/cpu/kernels.inl"

namespace hp::cpu {

const KernelTable& DoubleKernels() {
  static const KernelTable table = isa_double::make_table("double");
  return table;
}

}  // namespace hp::cpu
